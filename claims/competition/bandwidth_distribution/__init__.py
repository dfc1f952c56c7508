"""Experiment 1.1: how heads divide their attention between the numbers and the format."""
