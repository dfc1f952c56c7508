"""Lays out the folder of a new theory; see `python -m claims.new_theory --help`. The files are in `template`."""
