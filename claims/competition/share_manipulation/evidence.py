"""Evidence of experiment 1.2: edits set the numerical share exactly, on right answers and on the bug set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from claims.competition.edited import GREEDY, Edited
from claims.competition.estimates import among, placebo
from claims.competition.share_manipulation.measure import COARSE_TARGETS, TARGETS, share_arm
from referee.judging.evidence import Chance, Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from referee.judging.evidence import Parts

_TARGETS_DRAWN = {"even": TARGETS, "odd": TARGETS, "all": COARSE_TARGETS}
"""The numerical shares in the figure, by group of heads."""


class Manipulation:
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
        """Keeps the tables of the edits.

        Args:
            breaking: edits on right answers.
            mending: edits on the bug set.
            elsewhere: edits at other layers, each with its layer.
            shares_before: the unedited numerical shares of the even heads for each right prompt, by (pair, order,
                format).
            threshold: a numerical share, which only the figure shows.
        """
        self.breaking, self.mending, self.elsewhere = breaking, mending, elsewhere
        self._shares_before, self._threshold = shares_before, threshold

    def broken(self, targets: Sequence[float], order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of right answers that turn wrong when the even heads are set to each target.

        An answer counts only if the edit takes attention from the numbers. If the edit gives attention to the numbers,
        the answer counts as not turned.
        """
        found = {
            f"even heads at {target:.0%}": self._on_right.share(self._turned_wrong(target, score), order)
            for target in targets
        }
        return {part: estimate["all"] for part, estimate in found.items() if estimate}

    def mended(self, target: float, order: str | None = None, score: str = "right") -> Parts:
        """Returns the share of the bug set that turns right when the odd heads are set to the target."""
        return self._on_bugs.share_turned(share_arm("odd", target), order=order, score=score)

    def variants(self, measure: Callable[..., Parts]) -> Mapping[str, Parts]:
        """Returns a measure of this class by the most likely next token instead of the margin."""
        return {GREEDY: measure(score="top_answer")}

    def against_breaking(self, target: float) -> tuple[Chance, ...]:
        """Returns the chance worlds of the edit that sets the even heads to the target on right answers.

        None of them is a veto, because attention that an edit gives to other tokens also comes from the numbers.
        """
        edited = self._on_right
        other, odd = share_arm("even", target, "other"), share_arm("odd", target)
        return (
            Chance(f"even heads, {target:.0%} on tokens that are neither", edited.share_turned(other)["all"].value),
            *self._other_places(edited, share_arm("even", target)),
            Chance(f"the same with odd heads, at {target:.0%}", edited.share_turned(odd)["all"].value),
        )

    def against_mending(self, target: float) -> tuple[Chance, ...]:
        """Returns the chance worlds of the edit that sets the odd heads to the target on the bug set."""
        edited, arm = self._on_bugs, share_arm("odd", target)
        other, even = share_arm("odd", target, "other"), share_arm("even", target)
        return (
            placebo(f"odd heads, {target:.0%} on tokens that are neither", edited.turned(arm), edited.turned(other)),
            Chance("the same with even heads", edited.share_turned(even)["all"].value),
            *self._other_places(edited, arm),
        )

    def unbroken(self, target: float) -> str | None:
        """Describes the right answer that is furthest from turning wrong with the even heads at the target."""
        return self._on_right.unturned(share_arm("even", target))

    def unmended(self, target: float) -> str | None:
        """Describes the prompt of the bug set that is furthest from turning right with the odd heads at the target."""
        return self._on_bugs.unturned(share_arm("odd", target))

    def notes_on_breaking(self, target: float) -> tuple[str, ...]:
        """Returns further facts about the right answers, one per note."""
        notes = _notes(self._on_right)
        right = self._on_right.turned(share_arm("even", target)).index
        low = sum(not self._was_above(prompt, target) for prompt in right)
        if low:
            notes += (
                f"In {low} of {len(right)} right answers the even heads are below {target:.0%} unedited: those answers"
                " are right in spite of it, so they count as not turned.",
            )
        return notes

    def notes_on_mending(self) -> tuple[str, ...]:
        """Returns further facts about the bug set, one per note."""
        return _notes(self._on_bugs)

    def drawing(self) -> Drawing:
        """Returns the figure: share right and median margin (logits) against the numerical share that is set."""
        texts, target = [], TARGETS[2]
        for name, edited in (("right answers", self.breaking), ("the bug set", self.mending)):
            if edited:
                shares = {group: edited.turned(share_arm(group, target)).mean() for group in ("even", "odd")}
                texts += [f"at {target:.0%} {share:.0%} of {name} turn ({g} heads)" for g, share in shares.items()]
        return Drawing(self._draw, f"Share right and median margin against the share that is set; {'; '.join(texts)}.")

    @property
    def data(self) -> pd.DataFrame:
        """The data of the figure: the margins and answers of all prompts under every edit."""
        return pd.concat([edited.table for edited in (self.breaking, self.mending) if edited], ignore_index=True)

    @property
    def _on_right(self) -> Edited:
        assert self.breaking is not None, "the claim must request the fixture right_answers"
        return self.breaking

    @property
    def _on_bugs(self) -> Edited:
        assert self.mending is not None, "the claim must request the fixture bug_set"
        return self.mending

    def _turned_wrong(self, target: float, score: str) -> pd.Series:
        """Returns True for each right answer that turns wrong because the edit takes attention from the numbers."""
        turned = self._on_right.turned(share_arm("even", target), score=score)
        return turned & pd.Series([self._was_above(prompt, target) for prompt in turned.index], index=turned.index)

    def _was_above(self, prompt: tuple[str, str, str], target: float) -> bool:
        return self._shares_before[prompt] > target

    def _other_places(self, edited: Edited, arm: str) -> tuple[Chance, ...]:
        """Returns the chance worlds with the same edit in random groups of heads and at other layers."""
        layers = (
            Chance(f"the same at layer {layer}", edited_there.share_turned(arm)["all"].value)
            for layer, edited_there in self.elsewhere
            if arm in set(edited_there.table["arm"])
        )
        value = float(edited.turned(arm).mean())
        return (*among("random groups of as many heads", value, edited.random_outcomes(arm)), *layers)

    def _draw(self) -> Figure:
        from claims.competition.share_manipulation import figure

        arms: dict[str, Sequence[tuple[float, str]]] = {
            group: [(t, share_arm(group, t)) for t in targets] for group, targets in _TARGETS_DRAWN.items()
        }
        nothing = pd.DataFrame(columns=["group", "target", "share_right", "low", "high", "margin_logits"])
        return figure.share_manipulation(
            self.breaking.curve(arms, "target") if self.breaking else nothing,
            self.mending.curve(arms, "target") if self.mending else nothing,
            threshold=self._threshold,
            n_breaking=self.breaking.n if self.breaking else 0,
            n_repairing=self.mending.n if self.mending else 0,
        )


def _notes(edited: Edited) -> tuple[str, ...]:
    notes = [edited.bug_in_one_order()]
    both_edits = next((arm for arm in edited.table["arm"].unique() if arm.startswith("even heads at")), None)
    if both_edits:
        share = edited.turned(both_edits).mean()
        notes.append(f"Both edits of the seed document together ({both_edits}) turn {share:.0%} of the answers.")
    return tuple(note for note in notes if note)
