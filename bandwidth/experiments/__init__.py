"""The theory's experiments: functions (session, prompts, …) → tidy table.

A row a subject × prompt × layer × head × condition, as far as an experiment tells them apart. Columns:
`pair`, `order`, `format`, `layer`, `head`, and measures with their unit in the name (`_share`, `_logits`).
"""
