from __future__ import annotations

from referee.attention.grouping import alike


def test_alike_groups_indices():
    """Groups are in the order in which their keys first appear, and they contain every index once."""
    assert alike(["a", "bb", "c"], len) == [[0, 2], [1]]
