"""The published method, run as published, beside ours. It reports facts about single prompts and judges no claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claims.competition.as_published.case_study import CaseStudy
    from claims.competition.prompts import Format
    from fixtures.ledger import Ledger
    from fixtures.terminal import Visible


def test_the_published_method_is_shown_beside_ours(
    published_case: CaseStudy, formats: list[Format], ledger: Ledger, visible: Visible
) -> None:
    """Prints the tables and adds them to the report. It passes whatever they contain: no table is a verdict."""
    from claims.competition.as_published import tables, trial, trial_tables
    from claims.competition.as_published.methods import OF_DOCUMENT, OF_SCRIPTS
    from fixtures.record import recorded

    verdicts = {finding.claim.id: str(finding.verdict) for finding in ledger.findings}
    subject = str((ledger.subject or {}).get("name", ""))
    claims = {
        prompts: tables.claim_by_claim(published_case, prompts, verdicts) for prompts in (OF_SCRIPTS, OF_DOCUMENT)
    }
    prompts = tables.prompt_by_prompt(published_case, formats)
    ledger.tables += [*claims.values(), prompts, tables.reproductions(published_case, subject)]
    words = tables.in_words(published_case, claims, prompts)
    if on_trial := trial.recorded():
        by_claim = trial_tables.by_claim(on_trial, recorded("competition"))
        ledger.tables += [by_claim, trial_tables.by_method(on_trial)]
        words += f"\n{trial_tables.in_words(by_claim)}"
    with visible(words):
        pass
