"""Evidence of experiment set 5, of the controls, and of the claim that combines several experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from claims.competition import figures
from claims.competition.edited import GREEDY, Edited
from claims.competition.format_injection.evidence import InjectionEvidence
from claims.competition.interventions import STRENGTHS, mask_arm, move_arm
from claims.competition.pattern_replacement.measure import REPLACED
from claims.competition.share_manipulation.evidence import ManipulationEvidence
from fixtures.attacks import Attack
from fixtures.ledger import NotApplicable
from referee.judging.findings import Chance
from referee.judging.statistics import Estimate

MASKED = [strength for strength in STRENGTHS if strength]
"""All strengths of the mask except 0."""


class RepairEvidence:
    """Reduces the edits that move or mask format mass on the bug set. `elsewhere` has the edits at other layers."""

    def __init__(self, edited: Edited, elsewhere: Mapping[int, Edited]) -> None:
        self.edited, self.elsewhere = edited, elsewhere

    def moved(self, order: str | None = None) -> dict[str, Estimate]:
        """Returns the share of the bug set that turns right when format mass of odd heads moves to the numbers."""
        return self.edited.share_turned(move_arm("odd"), order=order)

    def best_strength(self, group: str = "odd") -> float:
        """Returns the strength of the mask that repairs the most prompts. The smallest strength wins a tie."""
        return max(MASKED, key=lambda s: (self.edited.turned(mask_arm(group, s)).mean(), -s))

    def hidden(self, order: str | None = None, score: str = "right") -> dict[str, Estimate]:
        """Returns the share of the bug set that turns right when format tokens are masked in the odd heads.

        The strength is the best of all strengths.
        """
        arm = mask_arm("odd", self.best_strength())
        return self.edited.share_turned(arm, order=order, score=score, looks=len(MASKED))

    def surgery(self, attack: Attack | None) -> dict[str, Any]:
        """Returns the evidence on the claim that moving half of the format mass of odd heads repairs answers."""
        edited, arm, other = self.edited, move_arm("odd"), move_arm("odd", "other")
        return {
            "parts": self.moved,
            "chance": (
                edited.placebo("moved to tokens that are neither", edited.turned(arm), edited.turned(other)),
                Chance("the same in even heads", edited.share_turned(move_arm("even"))["all"].value),
                *edited.among("random groups of as many heads", float(edited.turned(arm).mean()),
                              edited.random_outcomes(arm)),
                *(Chance(f"the same at layer {layer}", edited_there.share_turned(arm)["all"].value)
                  for layer, edited_there in self.elsewhere.items()),
            ),
            "variants": {GREEDY: edited.share_turned(arm, score="top_answer")},
            "counterexample": (attack and attack.counterexample) or edited.unturned(arm),
            "figure": figures.paired_margins(
                {name: edited.before_and_after(name) for name in (arm, other)}, n=edited.n,
                title="Margins of the bug set before and after moving attention",
            ),
            "alt": f"Paired margins: {edited.turned(arm).mean():.0%} turn right when moved to numbers,"
            f" {edited.turned(other).mean():.0%} when moved elsewhere.",
            **self._described(*([attack.summary] if attack else [])),
        }  # fmt: skip

    def masked(self, most: float) -> dict[str, Any]:
        """Returns the evidence on the claim that a mask on format tokens in odd heads repairs most answers.

        The claim is true if this happens at one strength or another.
        """
        edited = self.edited
        best = self.best_strength()
        arm, other = mask_arm("odd", best), mask_arm("odd", best, "other")
        shares = [f"{s:.0%}: {edited.turned(mask_arm('odd', s)).mean():.0%}" for s in MASKED]
        least = next((s for s in MASKED if edited.turned(mask_arm("odd", s)).mean() > most), None)
        even = edited.share_turned(mask_arm("even", self.best_strength("even")))["all"].value
        return {
            "parts": self.hidden,
            "chance": (
                edited.placebo(f"tokens masked that are neither, by {best:.0%}",
                               edited.turned(arm), edited.turned(other)),
                Chance("the same in even heads, at their best strength", even),
                *edited.among("random groups of as many heads, masked wholly",
                              float(edited.turned(mask_arm("odd", 1.0)).mean()),
                              edited.random_outcomes(mask_arm("odd", 1.0))),
            ),
            "variants": {GREEDY: self.hidden(score="top_answer")},
            "counterexample": edited.unturned(arm),
            "figure": figures.mask_strength(
                edited.curve({g: [(s, mask_arm(g, s)) for s in STRENGTHS] for g in ("odd", "even")}, "strength"),
                n=edited.n,
            ),
            "alt": f"Success against strength of the mask in odd heads; {', '.join(shares)}.",
            **self._described(
                f"Repaired by strength: {', '.join(shares)}; judged at {best:.0%}, which repairs most. "
                + (f"The smallest that repairs most is {least:.0%}." if least else "None repairs most.")
            ),
        }  # fmt: skip

    def elsewhere_moved(self) -> dict[str, Any]:
        """Returns the evidence of the control that moves format mass to tokens that are neither numbers nor format."""
        arm = move_arm("odd", "other")
        return {
            "parts": lambda order: self.edited.share_turned(arm, order=order),
            "figure": figures.paired_margins(
                {arm: self.edited.before_and_after(arm)}, n=self.edited.n, title="A control: attention moved elsewhere"
            ),
            "alt": "Paired margins before and after moving attention to tokens that are neither numbers nor format.",
        }

    def _described(self, *notes: str) -> dict[str, Any]:
        found = (*notes, self.edited.bug_in_one_order())
        return {"notes": tuple(filter(None, found)), "data": self.edited.table}


class LayerEvidence:
    """Reduces the replacement of the whole pattern on the bug set.

    `faulty` has the replacement by the pattern of a faulty prompt. `layers` has the replacement at each other layer.
    """

    def __init__(self, faulty: Edited, layers: Mapping[int, Edited]) -> None:
        self.faulty, self.layers = faulty, layers

    def faulty_donor(self, most: float) -> dict[str, Any]:
        """Returns the evidence of the control: a pattern of the faulty format turns few answers."""
        return self._shown({"faulty donor": self.faulty}, most, "A control: another pair's Q&A prompt as donor")

    def other_layers(self, most: float) -> dict[str, Any]:
        """Returns the evidence of the control: a new pattern at another layer turns few answers.

        Raises NotApplicable if there is no other layer to compare with.
        """
        if not self.layers:
            raise NotApplicable("the model has no layer three below or three above the layer of interest")
        named = {f"layer {layer}": edited for layer, edited in self.layers.items()}
        return self._shown(named, most, "A control: the pattern replaced at other layers")

    @staticmethod
    def _shown(edited_by_place: Mapping[str, Edited], most: float, title: str) -> dict[str, Any]:
        def parts(order: str | None) -> dict[str, Estimate]:
            found = {name: edited.share_turned(REPLACED, order=order) for name, edited in edited_by_place.items()}
            return {name: estimate["all"] for name, estimate in found.items() if estimate}

        first = next(iter(edited_by_place.values()))
        return {
            "parts": parts,
            "figure": figures.shares(
                list(parts(None).items()), threshold=most, threshold_label="most answers", n=first.n, title=title
            ),
            "alt": f"{title}: " + ", ".join(f"{name} {e.value:.0%}" for name, e in parts(None).items()),
            "data": pd.concat(
                [edited.table.assign(place=name) for name, edited in edited_by_place.items()], ignore_index=True
            ),
        }


class CompetitionEvidence:
    """Headline 5: combines the experiments on the competition of format tokens and on its effect on the answer."""

    def __init__(
        self, injection: InjectionEvidence, manipulation: ManipulationEvidence, repair: RepairEvidence
    ) -> None:
        self._injection, self._manipulation, self._repair = injection, manipulation, repair

    def together(self, targets: Sequence[float], target: float, due_to_format: float, most: float) -> dict[str, Any]:
        """Returns the share of prompts that behave as claimed, by experiment. Every share must exceed `most`.

        Args:
            targets: numerical shares that experiment 1.2 sets for even heads.
            target: numerical share that experiment 1.2 sets for odd heads.
            due_to_format: share of the fall in experiment 1.3 that must be due to format.
            most: threshold of the shares, which is shown in the figure.
        """

        def parts(order: str | None) -> dict[str, Estimate]:
            found = {
                "starving even heads breaks (1.2)": self._manipulation.broken(targets, order),
                "feeding odd heads mends (1.2)": self._manipulation.mended(target, order),
                "moving attention off format repairs (5.1)": self._repair.moved(order),
                "masking format repairs (5.2)": self._repair.hidden(order),
            }
            if not all(found.values()):
                return {}
            least = {name: min(estimates.values(), key=lambda e: e.value) for name, estimates in found.items()}
            falls = self._injection.due_to_format(due_to_format, order)
            return {"bandwidth falls because of format (1.3)": falls, **least}

        shown = parts(None)
        experiments = (
            self._injection.falling(due_to_format), self._manipulation.fed(target), self._repair.surgery(None),
            self._repair.masked(most),
        )  # fmt: skip
        return {
            "parts": parts,
            # The values have the units of their own experiments, so they are removed. Only the vetoes count here.
            "chance": tuple(replace(world, value=None) for e in experiments for world in e["chance"] if world.veto),
            "figure": figures.shares(
                list(shown.items()), threshold=most, threshold_label="most prompts",
                n=min(e.n for e in shown.values()), title="Does competition with format tokens decide the answer?",
            ),
            "alt": "Shares of prompts: " + ", ".join(f"{name} {e.value:.0%}" for name, e in shown.items()),
        }  # fmt: skip
