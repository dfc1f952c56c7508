"""The theories that the suite tests. Each theory has a folder."""
