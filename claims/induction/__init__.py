"""A theory that the field holds to be true: induction heads and attention sinks."""
