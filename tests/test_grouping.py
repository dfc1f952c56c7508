from __future__ import annotations

from referee.measuring.grouping import alike


def test_alike_groups_indices():
    """Groups come in order of first appearance and hold every index once."""
    assert alike(["a", "bb", "c"], len) == [[0, 2], [1]]
