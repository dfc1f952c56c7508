"""Registers the options, the fixtures and the terminal output of the claims."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.signals",
    "fixtures.ledger",
    "fixtures.terminal",
    "fixtures.session",
]
