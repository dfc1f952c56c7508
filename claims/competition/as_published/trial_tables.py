"""The tables of the trial: how often each method is wrong on models of known truth, by claim and by method."""

from __future__ import annotations

from collections.abc import Mapping

from claims.competition.as_published.methods import SWITCHES
from claims.competition.as_published.published import CLAIMS
from claims.competition.as_published.trial import Verdicts, counts, methods, rates
from claims.trial import Counts
from reports.tables import Cell, Table


def by_claim(verdicts: Mapping[str, Verdicts], suite: Mapping[str, Counts]) -> Table:
    """Returns one row for each claim: the wrong calls of both methods, and the wrong verdicts of the suite.

    `verdicts` are those of the trial by model. `suite` has the counts of the suite's own trial by claim; it may be
    empty.
    """
    by_method = {name: counts(verdicts, name) for name in methods()}
    rows: list[tuple[Cell, ...]] = []
    for claim in CLAIMS:
        found = [by_method[name][claim.id] for name in ("as published", "as stated")]
        cells = [cell for count in (*found, suite.get(claim.id)) for cell in _wrong(count)]
        rows.append((claim.id, *cells, _misleading(by_method, claim.id)))
    columns = (
        "Claim",
        *("As published: SUPPORTED where not true", "As published: REFUTED where true"),
        *("As stated, same rule: SUPPORTED where not true", "As stated, same rule: REFUTED where true"),
        *("This suite: SUPPORTED where not true", "This suite: REFUTED where true"),
        "Deviations that alone give more wrong calls",
    )
    return Table(f"The published method on trial on {len(verdicts)} models of known truth", columns, tuple(rows))


def by_method(verdicts: Mapping[str, Verdicts]) -> Table:
    """Returns one row for each method, with each deviation alone: its wrong calls of each claim and of all."""
    title = "Each deviation on trial: SUPPORTED where not true, and REFUTED where true"
    return Table(title, ("Method", *(claim.id for claim in CLAIMS), "All"), tuple(rates(verdicts)))


def in_words(table: Table) -> str:
    """Returns one sentence for each claim of `by_claim`, for the terminal."""
    lines = [f"\n{table.title}"]
    for claim_id, *cells in table.rows:
        support, refutation, _, _, suite_support, suite_refutation, _ = cells
        lines.append(
            f"{claim_id}: The published method calls this claim SUPPORTED on {support} models in which it is not true,"
            f" and REFUTED on {refutation} in which it is true. This suite: {suite_support} and {suite_refutation}"
            " verdicts."
        )
    return "\n".join(lines)


def _wrong(count: Counts | None) -> tuple[str, str]:
    """Returns the false support and the false refutation in words, such as "2 of 9"."""
    if count is None:
        return "–", "–"
    return (
        f"{count['false_support']} of {count['calls'] - count['true']}",
        f"{count['false_refutation']} of {count['true']}",
    )


def _misleading(by_method: Mapping[str, Mapping[str, Counts]], claim_id: str) -> str:
    """Returns the deviations that give more wrong calls of a claim than the method as stated, with their number."""

    def wrong(name: str) -> int:
        count = by_method[name][claim_id]
        return count["false_support"] + count["false_refutation"]

    more = {words: wrong(f"as stated, but {words}") for words in SWITCHES.values()}
    return ", ".join(f"{words} ({count})" for words, count in more.items() if count > wrong("as stated")) or "none"
