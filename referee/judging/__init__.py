"""Claims, statistics, evidence, and the verdict on a claim."""
