"""The theory of bandwidth competition as executable tests. Each claim has one test, and its name is a sentence."""
