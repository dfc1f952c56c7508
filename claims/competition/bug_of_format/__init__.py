"""Claim B1: whether the bug depends on the format or on the order of the numbers."""
