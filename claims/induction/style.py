"""The colours and markers of this theory's figures."""

from __future__ import annotations

from reports.style import BLUE, GREY

OWN = {"color": BLUE, "marker": "o"}
OTHER = {"color": GREY, "marker": "^"}
"""What a claim is about, and that with which it is compared."""
