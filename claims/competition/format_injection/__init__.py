"""Experiment 1.3: attention and answers at increasing shares of format tokens."""
