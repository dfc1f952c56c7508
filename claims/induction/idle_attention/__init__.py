"""Experiment S2: does attention on the first token do nothing?"""
