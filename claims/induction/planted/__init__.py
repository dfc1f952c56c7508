"""Models with hand-set weights that copy repeated tokens by induction, or in which one named part is missing."""
