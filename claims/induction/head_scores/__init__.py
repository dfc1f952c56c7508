"""Experiments I1 and S1: what each head attends to in a sequence that is repeated."""
