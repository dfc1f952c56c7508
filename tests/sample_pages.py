"""A report in which every part of the page has content."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sample_reports import BAD, CLAIM, GOOD, KNOWN, OF_THEORY, OPEN, THEORY, entry, found, options, report_of
from sample_views import sample_view

from referee.judging.evidence import Chance, Counterexample
from referee.judging.findings import Finding, headline_findings
from referee.judging.verdict import Verdict
from reports import models
from reports.attention_view import PromptTokens

OF_KNOWN = OF_THEORY.model_copy(update={"folder": "known", "name": "Known Facts", "digest": "def", "known": True})
DOT = (
    "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI4MDAiIGhlaWdodD0iNDAwIi8+"
)
"""An empty drawing of 800 × 400 pixels."""
FIRST = replace(CLAIM, published="somebody: 0.9")
SECOND, THIRD = (replace(CLAIM, id=f"9.9{letter}", statement=f"Part {letter} holds.") for letter in "bc")
OPENED = replace(CLAIM, id="8.1", statement="Coins fall on heads.", headline=None)
SKIPPED = replace(CLAIM, id="8.2", statement="Dice fall on six.", headline=None)
CONTROL = replace(CLAIM, id="C1", statement="Nothing happens.", headline=None, control=True)
WHOLE = replace(THEORY, claims=(FIRST, SECOND, THIRD, OPENED, SKIPPED, CONTROL))
FINDINGS = {
    "first_look": (
        found(
            {"left": BAD, "right": GOOD},
            claim=FIRST,
            theory=WHOLE,
            by_stratum={"heads up": {"left": BAD}},
            against=(Chance("coin", 0.5, p=0.2), Chance("every fourth", 0.2, explains=True)),
            variants={"last row": {"all": GOOD}, "greedy": {"all": BAD}},
            by_layer={0: 0.1, 1: 0.2, 2: 0.8},
            counterexample=Counterexample("9.8 or 9.11: wrong"),
            notes=("A first note.", "A second note."),
        ),
        found(claim=SECOND, theory=WHOLE),
        found(claim=CONTROL, theory=WHOLE),
    ),
    "coins_and_dice": (
        found(OPEN, claim=OPENED, theory=WHOLE),
        Finding(SKIPPED, Verdict.NOT_APPLICABLE, reason="no dice"),
        found(claim=THIRD, theory=WHOLE),
    ),
}
FACTS = (found(claim=KNOWN.claims[0], theory=KNOWN), found(BAD, claim=KNOWN.claims[1], theory=KNOWN))


def everything(**changed: Any) -> models.Report:
    """Returns a report with two theories, every verdict but ERROR, and content in every field of a claim."""
    on_trial = [
        entry(finding, layer=1).model_copy(update={"test": f"claims/a_theory/{folder}/test_{folder}.py::test_x"})
        for folder, findings in FINDINGS.items()
        for finding in findings
    ]
    image = models.Figure(file="figures/9.9a.svg", image=DOT, alt="nothing to see")
    truth = models.KnownTruth(calls=9, right=8, true=4, false_support=1, false_refutation=0, models=3)
    rates = models.Operating(false_support=(1, 50), false_refutation=(0, 50), power=(45, 50))
    on_trial[0] = on_trial[0].model_copy(
        update={
            "figure": image,
            "data": "data/9.9a.csv",
            "trial": truth,
            "operating": rates,
            "counterexample_tokens": sample_view().prompts[0].tokens,
        }
    )
    facts = [
        entry(fact, theory="known").model_copy(update={"test": "claims/known/old_facts/test_old_facts.py::test_x"})
        for fact in FACTS
    ]
    headlines = headline_findings([finding for findings in FINDINGS.values() for finding in findings], WHOLE)
    fields = {
        "theories": (OF_KNOWN, OF_THEORY),
        "subject": models.Subject(name="tiny", revision="x", layer=1, n_layers=3, n_heads=4, n_kv_heads=2,
                                  dtype="float32", device="cpu", fingerprint="x"),
        "registration": models.Registration(file="r.json", sha256="0" * 64, created="today", changed=("seed: 1",)),
        "self_checks": (models.SelfCheck(rule="rows sum to one", measured=0.0, limit="= 0", passed=True),),
        "tables": (models.Table(title="Answers", columns=("Order", "Right"), rows=(("first", 0.5),)),),
        "margins": models.Margins(margins=10, smallest=0.1, alone=0.0, again=0, precise=None, turned=0),
        "claims": (*facts, *on_trial),
        "headlines": headlines,
        "views": (sample_view(),),
        "missing_views": {"known": "it failed"},
        "data": {"data/9.9a.csv": "H4s="},
    }  # fmt: skip
    return report_of(**fields | changed)


def hostile() -> models.Report:
    """Returns a report whose texts try to be markup, to change the direction of the line, or to be too long for it."""
    name = "<script>document.title = 'hacked'</script>" + "\u202e" + "x" * 400
    whole = everything(options=options(model=name), command=f"pytest --model {name}")
    tokens = PromptTokens(texts=(name, "9"), labels=(name,), categories=(0, 0))
    prompt = sample_view().prompts[1].model_copy(update={"name": name, "tokens": tokens})
    whole = whole.model_copy(update={"views": (sample_view(caption=name, quantity=name, prompts=(prompt,)),)})
    texts = {"counterexample": name, "notes": (name,), "reason": name, "statement": name, "command": name}
    return whole.model_copy(
        update={
            "claims": tuple(
                claim.model_copy(update=texts | {"counterexample_tokens": tokens}) for claim in whole.claims
            )
        }
    )
