"""Evidence of experiment 1.2: edits set the numerical share exactly, on right answers and on the bug set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.compared import Compared, InOtherHeads
from claims.competition.edited import GREEDY, NOWHERE, Edited, Elsewhere
from claims.competition.share_manipulation.measure import COARSE_TARGETS, TARGETS, share_arm
from referee.judging.evidence import Chance, Drawing, Evidence, NotApplicable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

SharesByLayer = Mapping[int, Mapping[tuple[str, str, str], float]]
"""The unedited numerical share of the even heads at each layer, for each prompt (pair, order, format)."""
_TARGETS_DRAWN = {"even": TARGETS, "odd": TARGETS, "all": COARSE_TARGETS}
"""The numerical shares in the figure, by group of heads."""


class Breaking:
    """Reduces the edits that lower the numerical share of the even heads on right answers.

    For each target, prompts whose even heads have at most the target without an edit are left out: the edit would give
    their heads attention on the numbers instead of taking it. A target with too few prompts is left out.

    Args:
        edited: edits on right answers.
        targets: the shares of the claim.
        shares_before: the unedited shares of the even heads. Other layers are here if `elsewhere` has them.
        fewest: fewest pairs of a target.
        in_other_heads: the edit at the largest target in other groups of heads, on few prompts. None if too few
            prompts have even heads above the largest target.
        elsewhere: the edits of the even heads at other layers.
        matched: the mass that the placebo of the largest target moves, as a share of the mass that the edit moves.
    """

    def __init__(
        self,
        edited: Edited,
        targets: Sequence[float],
        *,
        shares_before: SharesByLayer,
        fewest: int,
        in_other_heads: InOtherHeads | None = None,
        elsewhere: Elsewhere = NOWHERE,
        matched: float | None = None,
    ) -> None:
        self.edited, self._targets, self._shares, self._fewest = edited, targets, shares_before, fewest
        self._in_other_heads, self._elsewhere, self._matched = in_other_heads, elsewhere, matched
        self._edited_above = {target: self.edited.only(self._prompts_above(target)) for target in targets}

    def broken(self, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of right answers that turn wrong when the even heads are set to each target.

        Raises NotApplicable if no target has enough prompts.
        """
        found = {
            f"even heads at {target:.0%}": self._above(target).share_turned(
                share_arm("even", target), order=order, score=score
            )
            for target in self._possible
        }
        return {part: estimate["all"] for part, estimate in found.items() if estimate}

    def variants(self) -> dict[str, Parts]:
        """Returns the shares by the most likely next token instead of the margin."""
        return {GREEDY: self.broken(score="top_answer")}

    @property
    def mildest(self) -> Compared:
        """The edit at the largest target that has enough prompts, on these prompts."""
        target = max(self._possible)
        others = self._in_other_heads if target == max(self._targets) else None
        arms = share_arm("even", target), share_arm("odd", target)
        return Compared(self._above(target), *arms, in_other_heads=others, matched=self._matched)

    def against(self) -> tuple[Chance, ...]:
        """Returns the chance worlds of the mildest edit: the placebo, other heads, and other layers."""
        return (*self.mildest.against(), *self._elsewhere.chances(self._fewest_broken))

    def by_layer(self) -> dict[int, float]:
        """Returns the share at the target that breaks fewest, at every layer. Returns {} unless all are measured."""
        return self._elsewhere.by_layer(self.edited, self._fewest_broken)

    def evidence_of_more(self) -> Evidence:
        """Returns the evidence that the edit at the largest target does more in the even heads than in other groups.

        Raises NotApplicable if too few prompts remain at this target.
        """
        if self._in_other_heads is None:
            raise NotApplicable(self._too_few(max(self._targets)))
        return self.mildest.evidence_of_more(self.notes())

    def notes(self) -> tuple[str, ...]:
        """Returns further facts about the right answers, one per note."""
        every = len(self.edited.turned(share_arm("even", max(self._targets))))
        left_out = [
            f"{every - len(self._prompts_above(target))} of {every} right answers at {target:.0%}"
            for target in self._targets
            if len(self._prompts_above(target)) < every
        ]
        notes = [f"Left out, because the even heads are not above the target unedited: {', '.join(left_out)}."]
        absent = [self._too_few(target) for target in self._targets if target not in self._possible]
        notes = [*(notes if left_out else []), *(f"No part at {t}." for t in absent)]
        return (*notes, *self.mildest.notes(), *_both_edits(self.edited))

    @property
    def _possible(self) -> list[float]:
        """The targets with enough prompts. Raises NotApplicable if there are none."""
        found = [target for target in self._targets if self._pairs_above(target) >= self._fewest]
        if not found:
            raise NotApplicable(self._too_few(min(self._targets)))
        return found

    def _too_few(self, target: float) -> str:
        return (
            f"{target:.0%}: only {self._pairs_above(target)} of {self.edited.n} pairs have a right answer whose even"
            f" heads are above it unedited ({self._fewest} needed), and only such a share can be lowered"
        )

    def _pairs_above(self, target: float) -> int:
        return len({pair for pair, _, _ in self._prompts_above(target)})

    def _prompts_above(self, target: float, layer: int | None = None) -> list[tuple[str, str, str]]:
        """Returns the prompts of the table whose even heads are above the target unedited."""
        shares = self._shares[self._elsewhere.layer if layer is None else layer]
        prompts = self.edited.turned(share_arm("even", max(self._targets))).index
        return [prompt for prompt in prompts if shares[prompt] > target]

    def _above(self, target: float) -> Edited:
        return self._edited_above[target]

    def _fewest_broken(self, layer: int, there: Edited) -> float:
        """Returns the share at the target that breaks fewest. A target that lowers no share breaks none."""
        shares = []
        for target in self._targets:
            turned = there.turned(share_arm("even", target))
            above = turned[turned.index.isin(self._prompts_above(target, layer))]
            shares.append(float(above.mean()) if len(above) else 0.0)
        return min(shares)


@dataclass(frozen=True)
class Manipulation:
    """The edits that break right answers and the edits that repair the bug set, with their figure.

    One of them is None if there are too few such prompts. The claim about it must not use it: the claim requests the
    fixture of those prompts, and that fixture raises NotApplicable.

    Attributes:
        right: the edits on right answers.
        bugs: the edit of the odd heads on the bug set.
        threshold: a numerical share, which only the figure shows.
    """

    right: Breaking | None
    bugs: Compared | None
    threshold: float

    @property
    def breaking(self) -> Breaking:
        assert self.right is not None, "the claim must request the fixture right_answers"
        return self.right

    @property
    def repair(self) -> Compared:
        assert self.bugs is not None, "the claim must request the fixture bug_set"
        return self.bugs

    def notes_on_repair(self) -> tuple[str, ...]:
        """Returns further facts about the bug set, one per note."""
        return (*self.repair.notes(), *_both_edits(self.repair.edited))

    def drawing(self) -> Drawing:
        """Returns the figure: share right and median margin (logits) against the numerical share that is set."""
        texts, target = [], TARGETS[2]
        for name, edited in self._tables.items():
            shares = {group: edited.turned(share_arm(group, target)).mean() for group in ("even", "odd")}
            texts += [f"at {target:.0%} {share:.0%} of {name} turn ({g} heads)" for g, share in shares.items()]
        return Drawing(self._draw, f"Share right and median margin against the share that is set; {'; '.join(texts)}.")

    @property
    def data(self) -> pd.DataFrame:
        """The data of the figure: the margins and answers of all prompts under every edit."""
        return pd.concat([edited.table for edited in self._tables.values()], ignore_index=True)

    @property
    def _tables(self) -> dict[str, Edited]:
        right = {"right answers": self.right.edited} if self.right else {}
        return right | ({"the bug set": self.bugs.edited} if self.bugs else {})

    def _draw(self) -> Figure:
        from claims.competition.share_manipulation import figure

        arms: dict[str, Sequence[tuple[float, str]]] = {
            group: [(t, share_arm(group, t)) for t in targets] for group, targets in _TARGETS_DRAWN.items()
        }
        nothing = pd.DataFrame(columns=["group", "target", "share_right", "low", "high", "margin_logits"])
        return figure.share_manipulation(
            self.right.edited.curve(arms, "target") if self.right else nothing,
            self.bugs.edited.curve(arms, "target") if self.bugs else nothing,
            threshold=self.threshold,
            n_breaking=self.right.edited.n if self.right else 0,
            n_repairing=self.bugs.edited.n if self.bugs else 0,
        )


def _both_edits(edited: Edited) -> tuple[str, ...]:
    arm = next((arm for arm in edited.arms if arm.startswith("even heads at")), None)
    if arm is None:
        return ()
    return (f"Both edits of the seed document together ({arm}) turn {edited.turned(arm).mean():.0%} of the answers.",)
