"""The colours, markers and hatches of this theory's figures."""

from __future__ import annotations

from typing import Any

from reports.style import BLUE, GREY, ORANGE

NUMERICAL, FORMAT, OTHER = BLUE, ORANGE, GREY
GROUPS: dict[str, dict[str, Any]] = {
    "even": {"color": BLUE, "marker": "o", "linestyle": "-"},
    "odd": {"color": ORANGE, "marker": "s", "linestyle": "--"},
    "all": {"color": GREY, "marker": "^", "linestyle": ":"},
    "any": {"color": GREY, "marker": "^", "linestyle": ":"},
}
HATCHES = {"even": "", "odd": "//"}
ASIDE = 0.012
"""How far the points of a group are moved along an axis of shares, so that intervals do not hide each other."""
