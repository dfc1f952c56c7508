"""The fixtures of experiment 1.1: the bandwidth of every head, and the attack on claim 1.1a."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from claims.competition.heads import even_heads
from claims.competition.prompts import INJECTION, ORDERS, POSITIONS, Format, Pair, Prompt, ask
from claims.competition.prompts import pairs as draw_pairs
from claims.competition.sweeps import other_layers
from claims.competition.theory import EVEN_HEADS_HOLD
from fixtures.options import Settings
from fixtures.terminal import Visible

if TYPE_CHECKING:
    from claims.competition.bandwidth_distribution.evidence import Distribution
    from fixtures.attacks import Attack
    from referee.measuring.session import Session


@pytest.fixture(scope="session")
def bandwidth(
    session: Session, pairs: list[Pair], formats: list[Format], settings: Settings, visible: Visible
) -> Distribution:
    """Experiment 1.1: numerical, format and other bandwidth of every head in every format."""
    from claims.competition.bandwidth_distribution.evidence import Distribution
    from claims.competition.bandwidth_distribution.measure import ALL_ROWS, attention_to_bos, bandwidth_distribution

    prompts = ask(pairs, formats)
    with visible():
        table = bandwidth_distribution(session, prompts, progress="reading attention")
        to_bos = attention_to_bos(session, prompts, progress="reading attention to BOS")
        elsewhere = None
        if others := other_layers(session.subject, settings, observed=True):
            elsewhere = bandwidth_distribution(
                session, prompts, layers=others, kept=[ALL_ROWS], progress="reading other layers"
            )
    return Distribution(table, session.subject, settings, elsewhere, to_bos)


@pytest.fixture(scope="session")
def attack_on_formats(session: Session, formats: list[Format], settings: Settings, visible: Visible) -> Attack:
    """The attack on claim 1.1a. It draws any pair, in any order, in any format or phrasing of the theory."""
    from hypothesis import strategies as st

    from claims.competition.bandwidth_distribution.measure import mean_shares
    from fixtures.attacks import attack
    from referee.judging.evidence import Counterexample

    criterion = EVEN_HEADS_HOLD.criterion
    cases = st.builds(
        Prompt,
        st.sampled_from(draw_pairs(settings.profile.units * 2, seed=settings.seed + 1)),
        st.sampled_from(ORDERS),
        st.sampled_from([*formats, *INJECTION, *POSITIONS]),
    )

    def room(prompts: Sequence[Prompt]) -> list[float]:
        return [criterion.room(share) for share in mean_shares(session, prompts, even_heads(session.subject))]

    def describe(prompt: Prompt, distance: float) -> Counterexample:
        share = criterion.low + distance
        named = f"{prompt.format.name} with {prompt.pair}, {prompt.order}"
        text = f"{named}: even heads' numerical bandwidth is {share:.3f}"
        return Counterexample(text, lambda session: session.tokenize(prompt))

    with visible():
        return attack(cases, room, describe, examples=settings.profile.examples, seed=settings.seed)
