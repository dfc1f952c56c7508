"""Experiment X1: the attention to the number of a sentence."""
