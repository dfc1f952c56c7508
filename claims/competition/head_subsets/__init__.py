"""Experiment 4.2: how many heads a repair needs, and which heads."""
