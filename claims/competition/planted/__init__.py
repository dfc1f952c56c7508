"""Models with hand-set weights, in which the theory is true or false by construction."""
