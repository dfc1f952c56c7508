"""The report for readers: figures, report.json with its schema, and the HTML page."""
