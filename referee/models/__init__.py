"""Loads a model from a name, a hub id or a folder, and helps to build models with planted weights."""
