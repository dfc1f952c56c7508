"""Which theories a run has, and what they share: one model, its layer of interest, and its self-checks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sample_reports import CLAIM, KNOWN, OTHER, THEORY

from claims import operating, trial
from fixtures import discovery, session
from fixtures.study import MIDDLE, Study, builders_of, depth_of
from fixtures.terminal import pytest_collection_modifyitems
from referee.errors import PromptTooLong, SelfCheckFailed
from referee.judging.evidence import NotApplicable
from referee.measuring.self_checks import Check


def study(depth=None, check_prompts=None, **builders):
    return Study(summary="", check_prompts=check_prompts or (lambda subject: [subject]), depth=depth, builders=builders)


def test_the_layer_is_that_of_the_theory_that_names_one():
    """If no theory names a layer, it is that of the theory that built the model, or the middle."""
    assert depth_of({"a": study(), "b": study(0.25)}) == 0.25
    assert depth_of({"a": study(0.25), "b": study(0.25)}) == 0.25
    assert depth_of({"a": study()}) == depth_of({"a": study()}, built_by=study()) == MIDDLE == 0.5
    assert depth_of({"a": study()}, built_by=study(0.3)) == 0.3
    assert depth_of({"a": study(0.25)}, built_by=study(0.3)) == 0.25


def test_two_layers_of_interest_are_refused():
    """All theories of a run share one session, which has one layer of interest."""
    with pytest.raises(pytest.UsageError, match=r"one layer.*; got 0\.25 in claims/a, 0\.5 in claims/c.*\. Judge them"):
        depth_of({"a": study(0.25), "b": study(), "c": study(0.5)})


def test_the_models_of_all_theories_can_be_named():
    """Two theories cannot build models of one name."""
    assert builders_of({"a": study(x=len, y=abs), "b": study(z=max)}) == {"x": len, "y": abs, "z": max}
    with pytest.raises(pytest.UsageError, match=r"different names; got y in claims/a and in claims/b\. Rename"):
        builders_of({"a": study(x=len, y=abs), "b": study(y=abs)})


def too_long(subject):
    raise PromptTooLong("A prompt must fit", "50 tokens", "Use another model.")


def inapplicable(subject):
    raise NotApplicable("no such tokens")


@pytest.fixture
def checked():
    """Returns a function that gives the results of the self-checks on the prompts of several theories.

    The prompts of a theory are numbers here, and each check measures them. It gives the reason of a NotApplicable as
    text, because pytest would skip the test.
    """

    def self_check(_, check_prompts):
        return [Check("at most 9", check_prompts, "≤ 9", True), Check("above 0", check_prompts, "> 0", True)]

    def results_of(*check_prompts):
        studies = [study(check_prompts=some) for some in check_prompts]
        try:
            return [check.measured for check in session.self_checked(SimpleNamespace(subject=5), studies, self_check)]
        except NotApplicable as reason:
            return str(reason)

    return results_of


def test_the_self_checks_use_the_prompts_of_every_theory(checked):
    """Of each check, the result that is closest to the limit counts. A theory with unreadable prompts is left out."""
    assert checked(lambda subject: 3, lambda subject: 8) == [8, 3]
    assert checked(lambda subject: 8, lambda subject: 3) == [8, 3]
    assert checked(too_long, inapplicable, lambda subject: subject) == [5, 5]


def test_without_readable_prompts_the_last_reason_counts(checked):
    """The last theory is on trial, because known theories come first."""
    with pytest.raises(PromptTooLong, match="got 50 tokens"):
        checked(inapplicable, too_long)
    assert checked(too_long, inapplicable) == "no such tokens"


def test_a_failed_self_check_is_final():
    """The check_prompts of another theory do not excuse it."""
    tried = []

    def failing(session, check_prompts):
        tried.append(check_prompts)
        raise SelfCheckFailed("rows sum to one", 2, "Nothing can be judged.")

    with pytest.raises(SelfCheckFailed):
        session.self_checked(SimpleNamespace(subject="subject"), [study(), study()], failing)

    assert len(tried) == 1


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Returns a function that makes empty folders of theories, and the only theories those of its arguments."""

    def make(**theories):
        for folder in theories:
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "theory.py").write_text("")
        monkeypatch.setattr(discovery, "_CLAIMS", tmp_path)
        modules = {f"claims.{folder}.theory": SimpleNamespace(THEORY=theory) for folder, theory in theories.items()}
        monkeypatch.setattr(discovery, "import_module", modules.__getitem__)

    return make


def test_known_theories_come_first(folders):
    """Whether the instrument finds what is there is the first thing that a reader sees."""
    folders(a=THEORY, b=KNOWN, c=OTHER)

    assert list(discovery.theories()) == ["b", "a", "c"]
    assert discovery.only_theory_on_trial() is None


@pytest.mark.parametrize("program", [trial, operating])
def test_a_program_judges_the_theory_on_trial(program, folders, monkeypatch):
    """--theory may be left out if exactly one theory is not known."""
    monkeypatch.setattr(program, "theories", lambda: discovery.theories())
    folders(a=THEORY, b=KNOWN)

    assert discovery.only_theory_on_trial() == "a"
    assert program._parser().parse_args([]).theory == "a"
    assert program._parser().parse_args(["--theory", "b"]).theory == "b"


def test_two_theories_on_trial_must_be_named(folders, monkeypatch, capsys):
    """No theory is chosen silently."""
    folders(a=THEORY, c=OTHER)

    with pytest.raises(SystemExit):
        trial._parser().parse_args([])
    assert "--theory" in capsys.readouterr().err


def test_claims_of_two_theories_do_not_share_an_id(folders):
    """They would share a line of the terminal, an entry of the report and a file."""
    folders(a=THEORY, b=replace(KNOWN, claims=(KNOWN.claims[0], replace(CLAIM, headline=None))))

    with pytest.raises(pytest.UsageError, match=r"different ids; got 9\.9a in claims/b and in claims/a\. Rename one"):
        discovery.require_different_ids()


def test_a_theory_without_a_study_is_named(folders):
    """The error says which file is missing."""
    folders(a=THEORY)

    with pytest.raises(pytest.UsageError, match=r"must have a file study\.py with STUDY; got none in claims/a"):
        discovery.study_of("a")


def item_of(claim):
    """Returns what stands for the test of a claim."""
    marker = SimpleNamespace(args=[claim])
    return SimpleNamespace(get_closest_marker=lambda name: marker, extra_keyword_matches=set())


def test_claims_run_theory_by_theory(monkeypatch):
    """Known theories run first, and the claims of a theory in its own order."""
    monkeypatch.setattr("fixtures.terminal.theories", lambda: {"known": KNOWN, "a": THEORY, "c": OTHER})
    monkeypatch.setattr("fixtures.terminal.theory_of", lambda item: "known")
    claims = [*OTHER.claims, CLAIM, *reversed(KNOWN.claims[:2])]
    items = [item_of(claim) for claim in claims]

    pytest_collection_modifyitems(items)

    assert [item.get_closest_marker("claim").args[0].id for item in items] == ["K1", "K2", "9.9a", "O1"]
