"""The verdicts that are right for models whose truth is known.

The file `ground_truth.py` of a theory writes them down, claim by claim. `claims.trial` compares them with the verdicts
that the claims give.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from referee.judging.verdict import Verdict

RightVerdicts = Mapping[str, frozenset[Verdict]]
"""The right verdicts of one claim by model. A model without an entry has only one right verdict, SUPPORTED."""


def expect(
    *,
    refuted: Collection[str] = (),
    inconclusive: Collection[str] = (),
    not_applicable: Collection[str] = (),
    unsupported: Collection[str] = (),
    unrefuted: Collection[str] = (),
    any_of: Collection[str] = (),
) -> RightVerdicts:
    """Returns the right verdicts of one claim. Each argument names models; on all others the claim must be SUPPORTED.

    For the models in `unsupported`, every verdict except SUPPORTED and ERROR is right. For those in `unrefuted`, every
    verdict except REFUTED and ERROR is. For those in `any_of`, the truth lies so close to the threshold, or the
    mechanism says so little, that only ERROR is wrong. Raises ValueError for a model that is named twice.
    """
    found: dict[str, frozenset[Verdict]] = {}
    for verdicts, models in (
        ({Verdict.REFUTED}, refuted),
        ({Verdict.INCONCLUSIVE}, inconclusive),
        ({Verdict.NOT_APPLICABLE}, not_applicable),
        (set(Verdict) - {Verdict.SUPPORTED, Verdict.ERROR}, unsupported),
        (set(Verdict) - {Verdict.REFUTED, Verdict.ERROR}, unrefuted),
        (set(Verdict) - {Verdict.ERROR}, any_of),
    ):
        for model in models:
            if model in found:
                raise ValueError(f"The model {model} is named twice for one claim")
            found[model] = frozenset(verdicts)
    return found


@dataclass(frozen=True)
class GroundTruth:
    """The right verdicts on models whose truth is known. Raises ValueError if `claims` names an unknown model.

    Attributes:
        models: for each value of the option --model, the reason for its verdicts.
        claims: for each id of a claim, the right verdicts; see `expect`.
        seeded: the models whose weights are random. A trial adds its seed to their names, such as "random:3".
    """

    models: Mapping[str, str]
    claims: Mapping[str, RightVerdicts]
    seeded: Collection[str] = ()

    def __post_init__(self) -> None:
        for claim_id, verdicts in self.claims.items():
            if unknown := sorted(set(verdicts) - set(self.models)):
                raise ValueError(f"Claim {claim_id} names models that are not in MODELS: {'; '.join(unknown)}")

    def right(self, claim_id: str, model: str) -> frozenset[Verdict]:
        """Returns the right verdicts of a claim on a model. Raises KeyError for an unknown claim or model."""
        if model not in self.models:
            raise KeyError(model)
        return self.claims[claim_id].get(model, frozenset({Verdict.SUPPORTED}))
