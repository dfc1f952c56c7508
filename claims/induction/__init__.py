"""A theory that earlier work has shown to be true: induction heads and attention sinks."""
