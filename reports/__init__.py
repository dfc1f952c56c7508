"""What people look at: figures (tables → Figure), report.json with its schema, and the page."""
