"""The commands of `python -m reports`.

Each module has HELP, `add_arguments`, and `run`, which returns the exit code.
"""
