"""Experiment 5.1: edits that move attention from format tokens to the numbers."""
