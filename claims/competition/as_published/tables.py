"""The tables of the case study: claim by claim, and prompt by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from claims.competition.as_published import published
from claims.competition.as_published.case_study import STATED, CaseStudy, methods, percent, prompts_of
from claims.competition.as_published.methods import (
    AS_PUBLISHED,
    OF_SCRIPTS,
    PUBLISHED_CASE,
    SWITCHES,
    Method,
    Prompts,
)
from claims.competition.as_published.outcomes import Course
from claims.competition.prompts import Format
from claims.competition.theory import BUG_OF_FORMAT, EIGHT_HEADS, ONLY_EVEN_HEADS, SHARP, SIXTY_PERCENT
from referee.judging.claims import Claim
from referee.judging.verdict import Verdict
from reports.tables import Cell, Table

_NOTHING = "–"


def claim_by_claim(study: CaseStudy, prompts: Prompts, verdicts: Mapping[str, str]) -> Table:
    """Returns one row for each claim that has a published experiment. `verdicts` are those of the run, by id."""
    rows: list[tuple[Cell, ...]] = [
        (
            claim.id,
            verdicts.get(claim.id, _NOTHING),
            _found(study, claim, STATED, prompts),
            _found(study, claim, AS_PUBLISHED, prompts),
            "; ".join(str(figure) for figure in published.FIGURES if figure.claim is claim),
            _changing(study, claim, STATED, prompts),
            _changing(study, claim, AS_PUBLISHED, prompts),
        )
        for claim in published.CLAIMS
    ]
    columns = (
        "Claim",
        "As stated, many prompts",
        "As stated, one prompt",
        "As published, one prompt",
        "Published figure",
        "Changed by turning on alone",
        "Changed by turning off alone",
    )
    title = f"The published method beside ours, {prompts.name} prompts (facts about one prompt, no verdicts)"
    if verdicts.get(SIXTY_PERCENT.id) == Verdict.NOT_APPLICABLE and _bugged(study, prompts):
        title += ". Too few pairs have the bug for verdicts on the repair, so only this prompt shows anything about it"
    return Table(title, columns, tuple(rows))


def prompt_by_prompt(study: CaseStudy, formats: Sequence[Format]) -> Table:
    """Returns one row for each prompt of the seed document and of the published scripts."""
    recipients = {prompts.recipient.name: prompts for prompts in (OF_SCRIPTS, *prompts_of(formats))}
    rows: list[tuple[Cell, ...]] = []
    for name, reply in study.replies.items():
        prompts = recipients.get(name)
        found = [study.course(method, prompts) if prompts else None for method in (STATED, AS_PUBLISHED)]
        text = PUBLISHED_CASE.asked(reply.format).text.replace("\n", "⏎")
        by_margin = "right" if reply.margin_logits > 0 else "wrong"
        written = " ".join(reply.text.split())[:40]
        replaced = [cell for course in found for cell in (_crossing(course), _counts(course))]
        margin = f"{reply.margin_logits:+.2f}"
        rows.append((name, text, margin, by_margin, written or "(nothing)", reply.by_text, *replaced))
    columns = (
        *("Format", "Prompt", "Margin in logits", "By margin", "Writes", "By checker"),
        *("As stated: turns", "heads that repair", "As published: turns", "blocks that repair"),
    )
    return Table("The case study: 9.8 or 9.11, one prompt of each format (no intervals)", columns, tuple(rows))


def reproductions(study: CaseStudy, subject: str) -> Table:
    """Returns one row for each published figure with the measured value where the same was measured."""
    measured = measured_figures(study)
    rows: list[tuple[Cell, ...]] = []
    for figure in published.FIGURES:
        value = measured.get(figure.measure, _NOTHING) if figure.measure else _NOTHING
        found = figure.compared(subject, measured) or f"{_NOTHING} (another subject or measure)"
        rows.append((figure.claim.id, str(figure), value, found))
    columns = ("Claim", "Published", f"Measured as published on {subject}", "Reproduced")
    return Table("Published figures", columns, tuple(rows))


def measured_figures(study: CaseStudy) -> dict[str, str]:
    """Returns the value of each published measure, by the published method on the published prompts.

    Without the bug, only the measure of the bug has a value. Other layers have one if all were tried.
    """
    if not study.bugged(AS_PUBLISHED, OF_SCRIPTS):
        donor, recipient = (study.replies[of.name].by_text for of in (OF_SCRIPTS.donor, OF_SCRIPTS.recipient))
        return {published.BUG: f"{donor} in the donor, {recipient} in the recipient"}
    course = study.course(AS_PUBLISHED, OF_SCRIPTS)
    assert course is not None, "a prompt with the bug has a course"
    least = min(course.repairing, default=None)
    every = max(course.tried)
    from_there = least and course.repairing == tuple(range(least, every + 1))
    return {
        published.BUG: "right in the donor, wrong in the recipient",
        published.SHARE: percent(course.crossing_share).removeprefix("at ").replace("%", " %"),
        published.COUNTS: f"{least} of {every} repair, {least - 1} do not" if from_there and least else _counts(course),
        published.ODD: f"{_runs(course.odd)} odd blocks repair" if course.odd else "no number of odd blocks repairs",
        **({published.LAYERS: _layers(study, course)} if study.every_layer else {}),
    }


def _found(study: CaseStudy, claim: Claim, method: Method, prompts: Prompts) -> str:
    """Returns what a method finds on one prompt, in words."""
    if claim is BUG_OF_FORMAT:
        donor, recipient = (study.replies[of.name] for of in (prompts.donor, prompts.recipient))
        if method.text:
            return f"{donor.by_text}, then {recipient.by_text}"
        return ", then ".join("right" if reply.right(method) else "wrong" for reply in (donor, recipient))
    course = study.course(method, prompts)
    if course is None:
        return "no bug to repair"
    if claim is SIXTY_PERCENT:
        return f"turns {percent(course.crossing_share)}"
    if claim is SHARP:
        return {None: "does not turn", True: "sharp", False: "gradual"}[course.sharp]
    if claim is EIGHT_HEADS:
        return f"{_counts(course)} repair"
    if claim is ONLY_EVEN_HEADS:
        odd = f"{_runs(course.odd)} odd ones repair" if course.odd else "no number of odd ones repairs"
        return f"{odd}, a mixed half {'repairs' if course.mixed else 'does not'}"
    return _layers(study, course)


def _changing(study: CaseStudy, claim: Claim, start: Method, prompts: Prompts) -> str:
    """Returns the switches that change, each alone, whether the prompt does as the claim says."""
    before = _does(study, claim, start, prompts)
    changing = [
        SWITCHES[name]
        for name, end, method in methods()
        if name and end == start and _does(study, claim, method, prompts) != before
    ]
    return ", ".join(changing) or "none"


def _bugged(study: CaseStudy, prompts: Prompts) -> bool:
    """Returns whether there is a bug to repair by the score of either method."""
    return any(study.bugged(method, prompts) for method in (STATED, AS_PUBLISHED))


def _does(study: CaseStudy, claim: Claim, method: Method, prompts: Prompts) -> bool | None:
    if claim is BUG_OF_FORMAT:
        return study.bugged(method, prompts)
    course = study.course(method, prompts)
    return None if course is None else course.does(claim)


def _crossing(course: Course | None) -> str:
    return _NOTHING if course is None else percent(course.crossing_share)


def _counts(course: Course | None) -> str:
    """Returns the numbers of heads or blocks that repair, such as "8 to 16 of 16"."""
    if course is None:
        return _NOTHING
    return f"{_runs(course.repairing) or 'none'} of {max(course.tried)}"


def _runs(counts: Sequence[int]) -> str:
    """Returns increasing numbers in words, such as "3, 8 to 16"."""
    runs = [[count] for count in counts[:1]]
    for before, count in pairwise(counts):
        if count == before + 1:
            runs[-1].append(count)
        else:
            runs.append([count])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _layers(study: CaseStudy, course: Course) -> str:
    """Returns in words which other layers repair. All of them are tried only in the profile full."""
    if course.layers:
        return f"layer {', '.join(map(str, course.layers))} repairs"
    return f"no other layer {'' if study.every_layer else 'that was tried '}repairs"


def in_words(study: CaseStudy, claims: Mapping[Prompts, Table], prompts: Table) -> str:
    """Returns the tables of the claims and of the prompts for the terminal.

    `claims` has the table of `claim_by_claim` for each pair of prompts. Without the bug, one line takes its place.
    """
    lines = []
    for of, table in claims.items():
        lines.append(f"\n{table.title}")
        if not _bugged(study, of):
            lines.append(f"  no bug to repair: {_found(study, BUG_OF_FORMAT, AS_PUBLISHED, of)} by the checker")
            continue
        for first, *rest in table.rows:
            lines += [str(first), *(f"  {label}: {cell}" for label, cell in zip(table.columns[1:], rest, strict=True))]
    lines += [f"\n{prompts.title}", " · ".join(prompts.columns)]
    return "\n".join([*lines, *(" · ".join(map(str, row)) for row in prompts.rows)])
