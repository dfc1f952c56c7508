"""The published method, run as published, beside the method of this suite."""
