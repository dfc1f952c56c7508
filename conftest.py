"""Registers the options, fixtures and terminal output of the claims. No science here."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.signals",
    "fixtures.ledger",
    "fixtures.terminal",
    "fixtures.session",
]
