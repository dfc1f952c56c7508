"""Functions that turn plain arrays and tables into figures. They use no model code and no files."""

from claims.competition.figures.bandwidth import bandwidth_distribution, format_injection, share_manipulation
from claims.competition.figures.repair import mask_strength, shares
from claims.competition.figures.routing import edge_map, position_sensitivity, routes
from claims.competition.figures.specialization import head_similarity, paired_margins
from claims.competition.figures.thresholds import head_subsets, replacement_curve

__all__ = [
    "bandwidth_distribution",
    "edge_map",
    "format_injection",
    "head_similarity",
    "head_subsets",
    "mask_strength",
    "paired_margins",
    "position_sensitivity",
    "replacement_curve",
    "routes",
    "share_manipulation",
    "shares",
]
