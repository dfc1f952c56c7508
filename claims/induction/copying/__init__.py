"""Experiments I2 and I3: are the tokens of a repetition predicted, and which heads does that need?"""
