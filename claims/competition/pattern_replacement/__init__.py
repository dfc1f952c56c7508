"""Experiment 4.1: the share of the faulty pattern that must be replaced until the answer turns right."""
