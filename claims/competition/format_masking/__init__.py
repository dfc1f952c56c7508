"""Experiment 5.2: edits that mask format tokens."""
