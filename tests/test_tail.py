"""The plain PyTorch tail's own pieces; that it computes what nnsight does stands in test_sweep.py."""

from __future__ import annotations

import pytest
import torch

from bandwidth import tail


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (6, 2)])
@pytest.mark.parametrize(("rows", "own_rows"), [(1, 1), (1, 3), (3, 3)])
def test_keys_in_common_are_looked_at_like_ones_own(heads, kv_heads, rows, own_rows):
    """Seven trials of one prompt with five rows before: as attention in one piece over a copy for each trial."""
    draw = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(*shape, 8, generator=draw, dtype=torch.float64)

    query, own = drawn(7, heads, rows), (drawn(7, kv_heads, own_rows), drawn(7, kv_heads, own_rows))
    before = (drawn(1, kv_heads, 5), drawn(1, kv_heads, 5))

    found = tail._attended(query, own, before, torch.zeros(7, dtype=torch.long))

    keys, values = (torch.cat((b.expand(7, -1, -1, -1), o), 2) for b, o in zip(before, own, strict=True))
    keys, values = (part.repeat_interleave(heads // kv_heads, 1) for part in (keys, values))
    scores = query @ keys.transpose(2, 3) / 8**0.5
    for row in range(rows):
        scores[:, :, row, 5 + own_rows - rows + row + 1 :] = -torch.inf
    torch.testing.assert_close(found, scores.softmax(-1) @ values)
