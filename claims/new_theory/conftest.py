"""Hides the template from pytest. It is no theory of this suite, although its files are complete."""

collect_ignore = ["template"]
