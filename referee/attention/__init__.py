"""Attention patterns: functions on them, edits as values, and the reading and writing of patterns in a model."""
