"""Evidence of experiment 1.2: edits set the numerical share exactly, on right answers and on the bug set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from claims.competition import figures
from claims.competition.edited import GREEDY, Edited
from claims.competition.interventions import COARSE_TARGETS, TARGETS, share_arm
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUPS = {"even": TARGETS, "odd": TARGETS, "all": COARSE_TARGETS}


class ManipulationEvidence:
    """Reduces the edits that break right answers, the edits that repair the bug set, and edits at other layers.

    `breaking` or `mending` is None if there are too few such prompts. Then the claim about it must not use it. The
    claim requests the fixture of those prompts, and that fixture raises NotApplicable.
    """

    def __init__(
        self,
        breaking: Edited | None,
        mending: Edited | None,
        elsewhere: Sequence[tuple[int, Edited]],
        *,
        shares_before: Mapping[tuple[str, str, str], float],
        threshold: float,
    ) -> None:
        """`shares_before` has the unedited numerical shares of the even heads for each right prompt.

        Its keys are (pair, order, format).
        """
        self.breaking, self.mending, self.elsewhere = breaking, mending, elsewhere
        self._shares_before, self._threshold = shares_before, threshold

    def starved(self, targets: Sequence[float]) -> dict[str, Any]:
        """Returns the evidence on right answers when the numerical share of the even heads is set to each target."""
        edited = self.breaking
        assert edited is not None
        mildest, other = share_arm("even", max(targets)), share_arm("even", max(targets), "other")
        described = self._described(edited, mildest)
        low = sum(not self._was_above(index, max(targets)) for index in edited.turned(mildest).index)
        if low:
            described["notes"] += (
                f"In {low} of {len(edited.turned(mildest))} right answers the even heads are below {max(targets):.0%}"
                " unedited: those answers hold in spite of it, whatever the edit does.",
            )
        return described | {
            "parts": partial(self.broken, targets),
            "chance": (
                # This is no veto: attention on other tokens also comes from the numbers.
                Chance(f"even heads, {max(targets):.0%} on tokens that are neither",
                       edited.share_turned(other)["all"].value),
                *self._groups(edited, mildest),
                Chance(
                    f"the same with odd heads, at {max(targets):.0%}",
                    edited.share_turned(share_arm("odd", max(targets)))["all"].value,
                ),
            ),
            "variants": {GREEDY: self.broken(targets, score="top_answer")},
        }  # fmt: skip

    def fed(self, target: float) -> dict[str, Any]:
        """Returns the evidence on the bug set when the numerical share of the odd heads is set to a target."""
        edited, arm = self.mending, share_arm("odd", target)
        assert edited is not None
        other = share_arm("odd", target, "other")
        return self._described(edited, arm) | {
            "parts": partial(self.mended, target),
            "chance": (
                edited.placebo(f"odd heads, {target:.0%} on tokens that are neither", edited.turned(arm),
                               edited.turned(other)),
                Chance("the same with even heads", edited.share_turned(share_arm("even", target))["all"].value),
                *self._groups(edited, arm),
            ),
            "variants": {GREEDY: edited.share_turned(arm, score="top_answer")},
        }  # fmt: skip

    def broken(self, targets: Sequence[float], order: str | None = None, score: str = "right") -> dict[str, Estimate]:
        """Returns the share of right answers that turn wrong when the even heads are set to each target."""
        assert self.breaking is not None
        found = {
            f"even heads at {target:.0%}": self.breaking.share(self._starved(target, score), order)
            for target in targets
        }
        return {part: estimate["all"] for part, estimate in found.items() if estimate}

    def _starved(self, target: float, score: str = "right") -> pd.Series:
        """Returns True for each right answer that turns wrong because the edit takes attention from the numbers.

        An edit that gives attention to the numbers does not count.
        """
        assert self.breaking is not None
        turned = self.breaking.turned(share_arm("even", target), score=score)
        return turned & pd.Series([self._was_above(index, target) for index in turned.index], index=turned.index)

    def _was_above(self, index: tuple[str, str, str], target: float) -> bool:
        return self._shares_before[index] > target

    def mended(self, target: float, order: str | None = None) -> dict[str, Estimate]:
        """Returns the share of the bug set that turns right when the odd heads are set to the target."""
        assert self.mending is not None
        return self.mending.share_turned(share_arm("odd", target), order=order)

    def _groups(self, edited: Edited, arm: str) -> tuple[Chance, ...]:
        value = edited.turned(arm).mean()
        null = edited.random_outcomes(arm)
        layers = tuple(
            Chance(f"the same at layer {layer}", edited_there.share_turned(arm)["all"].value)
            for layer, edited_there in self.elsewhere
            if arm in set(edited_there.table["arm"])
        )
        return (*edited.among("random groups of as many heads", float(value), null), *layers)

    def _described(self, edited: Edited, arm: str) -> dict[str, Any]:
        document_edit = next((arm for arm in edited.table["arm"].unique() if arm.startswith("even heads at")), None)
        notes = [edited.bug_in_one_order()]
        if document_edit:
            share = edited.turned(document_edit).mean()
            notes.append(f"Both edits of the seed document at once ({document_edit}) turn {share:.0%}.")
        return {
            "counterexample": edited.unturned(arm),
            "notes": tuple(filter(None, notes)),
            "figure": self.figure(),
            "alt": f"Share right and median margin against the share that is set; {self._told()}.",
            "data": pd.concat([part.table for part in (self.breaking, self.mending) if part], ignore_index=True),
        }

    def _told(self) -> str:
        texts = []
        for name, part in (("right answers", self.breaking), ("the bug set", self.mending)):
            if part:
                shares = {group: part.turned(share_arm(group, TARGETS[2])).mean() for group in ("even", "odd")}
                texts += [f"at {TARGETS[2]:.0%} {share:.0%} of {name} turn ({g} heads)" for g, share in shares.items()]
        return "; ".join(texts)

    def figure(self) -> Figure:
        curves = [
            part.curve({g: [(t, share_arm(g, t)) for t in targets] for g, targets in GROUPS.items()}, "target")
            if part
            else pd.DataFrame(columns=["group", "target", "share_right", "low", "high", "margin_logits"])
            for part in (self.breaking, self.mending)
        ]
        counts = [part.n if part else 0 for part in (self.breaking, self.mending)]
        return figures.share_manipulation(
            *curves, threshold=self._threshold, n_breaking=counts[0], n_repairing=counts[1]
        )
