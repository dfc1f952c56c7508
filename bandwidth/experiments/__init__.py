"""The experiments of the theory. Each function takes a session and prompts and returns a tidy table.

A table has one row per prompt × layer × head × condition, as far as the experiment distinguishes them. The columns
are `pair`, `order`, `format`, `layer` and `head`, and measures with the unit in the name (`_share`, `_logits`).
"""
