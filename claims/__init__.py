"""The theory of bandwidth competition, executable: one test a claim, a test reads as a sentence."""
