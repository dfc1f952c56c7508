"""Fixtures of the model under study and of its unedited measurements. All claims share each measurement.

A fault during a measurement is an error of the fixture. Therefore a fault can never look like a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from claims.competition.prompts import ORDERS
from claims.competition.theory import BUG_SET_MINIMUM, DROP_AT_SIXTY, EVEN_HEADS_HOLD, EVEN_HEADS_ROUTE
from fixtures.ledger import Ledger, NotApplicable
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    import pandas as pd

    from claims.competition.bandwidth_distribution.evidence import BandwidthEvidence
    from claims.competition.format_injection.evidence import InjectionEvidence
    from claims.competition.prompts import Format, Order, Pair, Prompt
    from claims.competition.routing_evidence import PathsEvidence, PositionEvidence, RoutesEvidence
    from claims.competition.specialization_evidence import SimilarityEvidence
    from referee.measuring.session import Session
    from referee.models.subjects import Subject

    Case = tuple[Pair, Order]


_KNOCKED_OUT = 3
"""Number of pairs for the check of the attributions. The check removes edges, in both formats and both orders."""


@pytest.fixture(scope="session")
def session(settings: Settings, ledger: Ledger, visible: Visible) -> Iterator[Session]:
    """The session of the model under study. Its self-checks have passed."""
    from dataclasses import asdict

    with visible(f"loading {settings.model} …"):
        from referee.measuring import resolution, result_cache, self_checks
        from referee.measuring.session import Session
        from referee.models import subjects

        subject = subjects.load(
            settings.model,
            revision=settings.revision,
            layer=settings.layer,
            device=settings.device,
            dtype=settings.dtype,
        )
    ledger.subject = {
        name: getattr(subject, name)
        for name in ("name", "revision", "layer", "n_layers", "n_heads", "n_kv_heads", "dtype", "fingerprint")
    } | {"device": str(subject.device)}
    with result_cache.kept(subject) if settings.cache else nullcontext() as results:
        opened = Session(subject, results)
        ledger.checks = [asdict(check) for check in self_checks.self_check(opened)]
        with visible(
            f"{subject.name}@{subject.revision} · layer {subject.layer} of {subject.n_layers}"
            f" · {subject.n_heads} heads, {subject.n_kv_heads} key-value · {subject.device} · {subject.dtype}"
            f" · fingerprint {subject.fingerprint} · {len(ledger.checks)} self-checks passed"
        ):
            pass
        with resolution.watched(opened) as watch:
            yield opened
        # After Ctrl-C or a signal the run must end soon.
        found = None if ledger.stopped else resolution.measure(opened, watch)
    if found:
        ledger.facts["margins"] = asdict(found)
        with visible(str(found)):
            pass


@pytest.fixture(scope="session")
def subject(session: Session) -> Subject:
    """The model under study, with its layer and head counts and its tokenizer."""
    return session.subject


@pytest.fixture(scope="session")
def pairs(settings: Settings) -> list[Pair]:
    """The conflict pairs of this run."""
    from claims.competition import prompts

    return prompts.pairs(settings.profile.pairs, seed=settings.seed)


@pytest.fixture(scope="session")
def formats(session: Session) -> list[Format]:
    """Simple and Q&A. Chat is added if the subject has a chat template."""
    from claims.competition.chat import chat_format
    from claims.competition.prompts import QA, SIMPLE

    chat = chat_format(session.subject.tokenizer)
    return [SIMPLE, QA, chat] if chat else [SIMPLE, QA]


@pytest.fixture(scope="session")
def behaviour(
    session: Session, pairs: list[Pair], formats: list[Format], ledger: Ledger, visible: Visible
) -> pd.DataFrame:
    """The answers of the unedited model to every prompt, one row per prompt."""
    from claims.competition import behaviour
    from claims.competition.prompts import ask

    with visible():
        table = behaviour.behaviour(session, ask(pairs, formats), progress="answering")
    ledger.facts["behaviour"] = behaviour.accuracies(table)
    return table


@pytest.fixture(scope="session")
def bug_cases(behaviour: pd.DataFrame, pairs: list[Pair]) -> list[Case]:
    """All cases (pair, order) that are right in Simple and wrong in Q&A. There may be none."""
    from claims.competition.behaviour import bug_set

    return bug_set(behaviour, pairs)


@pytest.fixture(scope="session")
def bug_set(bug_cases: list[Case], behaviour: pd.DataFrame, pairs: list[Pair]) -> list[Case]:
    """The bug set. Raises NotApplicable if it has fewer pairs than the theory requires."""
    from claims.competition.behaviour import accuracy

    count = len({pair for pair, _ in bug_cases})
    if count < BUG_SET_MINIMUM:
        raise NotApplicable(
            f"only {count} of {len(pairs)} pairs are right in Simple and wrong in Q&A ({BUG_SET_MINIMUM} needed);"
            f" accuracy {accuracy(behaviour, 'Simple'):.0%} in Simple, {accuracy(behaviour, 'Q&A'):.0%} in Q&A"
        )
    return bug_cases


@pytest.fixture(scope="session")
def right_cases(behaviour: pd.DataFrame, pairs: list[Pair]) -> list[Prompt]:
    """All prompts in Simple and Q&A that the unedited model answers right. There may be none."""
    from claims.competition.behaviour import right_prompts
    from claims.competition.prompts import QA, SIMPLE

    return right_prompts(behaviour, pairs, (SIMPLE, QA))


@pytest.fixture(scope="session")
def right_answers(right_cases: list[Prompt], pairs: list[Pair]) -> list[Prompt]:
    """The right prompts, which an edit can break. Raises NotApplicable if they have fewer pairs than required."""
    count = len({prompt.pair for prompt in right_cases})
    if count < BUG_SET_MINIMUM:
        raise NotApplicable(
            f"only {count} of {len(pairs)} pairs are answered right in Simple or Q&A ({BUG_SET_MINIMUM} needed), and"
            " only what is right can be broken"
        )
    return right_cases


@pytest.fixture(scope="session")
def bandwidth(
    session: Session, pairs: list[Pair], formats: list[Format], settings: Settings, visible: Visible
) -> BandwidthEvidence:
    """Experiment 1.1: numerical, format and other bandwidth of every head in every format."""
    from claims.competition.bandwidth_distribution.evidence import BandwidthEvidence
    from claims.competition.bandwidth_distribution.measure import bandwidth_distribution
    from claims.competition.prompts import ask

    with visible():
        table = bandwidth_distribution(session, ask(pairs, formats), progress="reading attention")
        elsewhere = None
        if others := other_layers(session.subject, settings, observed=True):
            elsewhere = bandwidth_distribution(
                session, ask(pairs[: settings.profile.swept], formats), layers=others, progress="reading other layers"
            )
    return BandwidthEvidence(table, session.subject, settings, elsewhere)


def other_layers(subject: Subject, settings: Settings, *, observed: bool = False) -> list[int]:
    """Returns the layers that are compared with the layer of interest.

    Profile full returns all other layers. The other profiles return the layer three below and the layer three above
    for edits. They return no layer if `observed` is true, which means that the layers are only read and not edited.
    """
    others = [layer for layer in range(subject.n_layers) if layer != subject.layer]
    if settings.profile.layers >= len(others):
        return others
    return [] if observed else [layer for layer in (subject.layer - 3, subject.layer + 3) if layer in others]


@pytest.fixture(scope="session")
def injection(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> InjectionEvidence:
    """Experiment 1.3: attention and answers at increasing shares of format tokens."""
    from claims.competition.format_injection.evidence import InjectionEvidence
    from claims.competition.format_injection.measure import progressive_injection

    with visible():
        table = progressive_injection(session, pairs[: settings.profile.injected], progress="adding format tokens")
    return InjectionEvidence(
        table, settings, share_threshold=EVEN_HEADS_HOLD.criterion.low, drop=DROP_AT_SIXTY.criterion
    )


@pytest.fixture(scope="session")
def routes(
    session: Session, pairs: list[Pair], formats: list[Format], settings: Settings, visible: Visible
) -> RoutesEvidence:
    """Experiment 2.1: the attention of the last token to the numbers, at the layer of interest and nearby layers."""
    from claims.competition import routing
    from claims.competition.prompts import ask
    from claims.competition.routing_evidence import RoutesEvidence

    layers = sorted({*routing.neighbourhood(session.subject), *other_layers(session.subject, settings, observed=True)})
    with visible():
        table = routing.routes(session, ask(pairs, formats), layers, progress="tracing routes")
    return RoutesEvidence(table, session.subject, settings, threshold=EVEN_HEADS_ROUTE.criterion.low)


@pytest.fixture(scope="session")
def paths(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> PathsEvidence:
    """Experiment 2.2: gradients of the margin with respect to attention, and removal of the strongest edges."""
    from claims.competition import routing
    from claims.competition.prompts import QA, SIMPLE, ask
    from claims.competition.routing_evidence import PathsEvidence

    prompts = ask(pairs[: settings.profile.swept], [SIMPLE, QA])
    with visible():
        table = routing.critical_paths(session, prompts, progress="attributing edges")
        few = prompts[: _KNOCKED_OUT * 2 * len(ORDERS)]
        checked = routing.knocked_out(session, few, table, progress="removing edges")
    return PathsEvidence(table, checked, session.subject, settings)


@pytest.fixture(scope="session")
def positions(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> PositionEvidence:
    """Experiment 2.3: numerical bandwidth in six placements of the same comparison."""
    from claims.competition.bandwidth_distribution.measure import bandwidth_distribution
    from claims.competition.prompts import POSITIONS, ask
    from claims.competition.routing_evidence import PositionEvidence

    with visible():
        table = bandwidth_distribution(
            session, ask(pairs[: settings.profile.swept], POSITIONS), progress="moving numbers"
        )
    return PositionEvidence(table, session.subject, settings)


@pytest.fixture(scope="session")
def similarity(session: Session, pairs: list[Pair], settings: Settings, visible: Visible) -> SimilarityEvidence:
    """Experiment 3.1: correlations between heads' patterns."""
    from claims.competition.head_similarity import measure as specialization
    from claims.competition.prompts import ask
    from claims.competition.specialization_evidence import SimilarityEvidence

    prompts = ask(pairs[: settings.profile.swept], specialization.FORMATS)
    with visible():
        found = specialization.similarities(session, prompts, progress="comparing heads")
    return SimilarityEvidence(found, prompts, session.subject, settings)
