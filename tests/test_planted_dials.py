"""Each dial of the planted models changes the attention and the answers as it says, without edits."""

from __future__ import annotations

import pytest

from claims.competition import behaviour
from claims.competition.bandwidth_distribution import measure as bandwidth
from claims.competition.chat import chat_format
from claims.competition.heads import even_heads
from claims.competition.phrasings import FILLERS
from claims.competition.planted.dials import Dials
from claims.competition.planted.shares import landmarks
from claims.competition.planted.tokenizer import theory_tokenizer
from claims.competition.prompts import ORDERS, QA, QUESTIONS, SIMPLE, Format, Prompt, ask, filled, injected, pairs
from conftest import built
from referee.measuring.requests import Whole
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize

PAIRS = pairs(30, seed=5)


@pytest.fixture(scope="module")
def subject():
    return built()


@pytest.fixture(scope="module")
def formats(subject):
    return [SIMPLE, QA, chat_format(subject.tokenizer)]


def right_answers(subject, formats):
    """Returns the share of right answers in each format and order of the numbers, for two pairs."""
    table = behaviour.behaviour(Session(subject), ask(PAIRS[:2], formats))
    return table.groupby(["format", "order"])["correct"].mean()


def deciding_share(subject, format, heads, pair=PAIRS[0]):
    """Returns the mean share of heads on number tokens in the row in which the model decides."""
    tokens = tokenize(Prompt(pair, ORDERS[0], format), subject.tokenizer)
    (pattern,) = Session(subject).patterns([tokens], Whole())
    numbers = [i for i, kind in enumerate(tokens.categories) if kind == "numerical"]
    row = pattern[0, heads, -1]
    return (row[:, numbers].sum(-1) + row[:, -2:].sum(-1)).mean().item()  # the forced prefix ends in two, such as "9."


@pytest.mark.parametrize("text", ["", "phrasing_noise=1", "dilution", "linebreaks"])
def test_thresholds_follow_from_the_tokens_of_the_two_prompts(text):
    """The shares in Q&A and Simple are those of unedited heads. The turning share lies 60 % of the way between them."""
    subject, dials = built(f"planted:{text}"), Dials.parse(text)
    found = landmarks(dials, theory_tokenizer())

    assert deciding_share(subject, QA, even_heads(subject)) == pytest.approx(found.question, abs=2e-3)
    assert deciding_share(subject, SIMPLE, even_heads(subject)) == pytest.approx(found.simple, abs=2e-3)
    assert found.turning == pytest.approx(0.4 * found.question + 0.6 * found.simple)


@pytest.mark.parametrize(
    "dials",
    [
        "parity=fourth",
        "spread",
        "relapse",
        "dilution",
        "linebreaks",
        "pair_noise=1",
        "phrasing_noise=1",
        "pair_noise=1,phrasing_noise=1,relapse,spread,parity=fourth",
    ],
)
def test_a_dial_keeps_the_bug(dials, formats):
    """The model is right in Simple and wrong in Q&A and Chat, in both orders."""
    right = right_answers(built(f"planted:{dials}"), formats)

    assert (right["Simple"] == 1).all()
    assert (right[["Q&A", "Chat"]] == 0).all()


@pytest.mark.parametrize("dials", ["bug=one_order", "bug=one_order,spread,pair_noise=1", "bug=one_order,layer=3"])
def test_the_bug_exists_in_one_order_where_the_dial_says_so(dials, formats):
    """Q&A and Chat are wrong only if the bigger number comes first. Control pairs are right everywhere."""
    subject = built(f"planted:{dials}")
    right = right_answers(subject, formats)
    controls = behaviour.behaviour(Session(subject), ask(pairs(2, kind="control"), formats))

    assert (right.xs("bigger second", level="order") == 1).all()
    assert right.xs("bigger first", level="order").to_dict() == {"Simple": 1, "Q&A": 0, "Chat": 0}
    assert controls["correct"].all()


def test_only_every_fourth_head_is_protected_where_the_dial_says_so():
    """The heads 0 mod 4 keep their share in Q&A. All other heads fall below 40 %."""
    subject = built("planted:parity=fourth")
    shares = bandwidth.per_head(bandwidth.bandwidth_distribution(Session(subject), ask(PAIRS[:2], [SIMPLE, QA])))
    others = [head for head in range(32) if head % 4]

    assert (shares > 0.40).loc["Simple"].all()
    assert (shares.loc["Q&A", list(range(0, 32, 4))] > 0.40).all()
    assert (shares.loc["Q&A", others] < 0.40).all()


def with_fillers(subject, heads=(0, 1)):
    """Returns the deciding share after eight words of an instruction, and after eight neutral words of each kind.

    A line break or a full stop has a space before it, which is a token of its own.
    """
    instruction = Format.parse("", "{first} {or} {second} Please decide which of the two numbers above")
    return {
        name: deciding_share(subject, format, list(heads))
        for name, format in {
            "nothing": injected(0),
            "format": instruction,
            **{kind: filled(kind, 8 if kind in ("content words", "connectives") else 4) for kind in FILLERS},
        }.items()
    }


def test_format_tokens_compete_and_neutral_tokens_do_not(subject):
    """Eight format words lower the share on the numbers. Fillers of any kind leave it."""
    shares = with_fillers(subject)

    assert shares["format"] < shares["nothing"] - 0.1
    assert [shares[kind] for kind in FILLERS] == pytest.approx([shares["nothing"]] * len(FILLERS), abs=1e-3)


def test_all_tokens_dilute_alike_where_the_dial_says_so():
    """Eight tokens of any kind lower the share of a protected head as much as eight format words."""
    shares = with_fillers(built("planted:dilution"), heads=[0])

    assert shares["format"] < shares["nothing"] - 0.05
    assert [shares[kind] for kind in FILLERS] == pytest.approx([shares["format"]] * len(FILLERS), abs=1e-3)


def test_line_breaks_are_format_where_the_dial_says_so(subject):
    """Line breaks lower the share, and all other tokens are as in the model of the theory."""
    shares, of_theory = with_fillers(built("planted:linebreaks")), with_fillers(subject)

    assert shares.pop("line breaks") < of_theory.pop("line breaks") - 0.05
    assert shares == pytest.approx(of_theory)


def test_phrasings_of_equal_length_differ_where_the_dial_says_so(subject):
    """The first four phrasings of Q&A differ in one word. Without noise their shares are equal."""
    noisy = built("planted:phrasing_noise=1")
    shares, with_noise = ([deciding_share(s, q, even_heads(s)) for q in QUESTIONS[:4]] for s in (subject, noisy))

    assert max(shares) - min(shares) < 1e-6
    assert max(with_noise) - min(with_noise) > 2e-3
    assert len({round(share, 5) for share in with_noise}) == 4
