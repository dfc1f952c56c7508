"""The theory of bandwidth competition: its claims and experiments, with one folder for each experiment."""
