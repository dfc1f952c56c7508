"""Says what a machine can run and what is missing, without running anything: `python -m referee doctor [MODEL]`."""
