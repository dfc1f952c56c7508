"""Headline 5: several experiments together."""
