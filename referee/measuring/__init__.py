"""The session, which runs a model: batches, the prefix cache, the result cache, scores and self-checks."""
