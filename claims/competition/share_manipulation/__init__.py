"""Experiment 1.2: edits set the numerical share of a group of heads. Do the answers depend on it?"""
