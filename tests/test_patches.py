"""Replacement of attention by that of a donor: by hand on three tokens, and against hooks in plain PyTorch."""

from __future__ import annotations

import pytest
import torch
from token_rows import random_tokens

from claims.competition.as_published.methods import OF_SCRIPTS, PUBLISHED_CASE
from claims.competition.prompts import QA, SIMPLE
from conftest import built, tiny
from referee.attention.edits import InHeads, Replace
from referee.attention.outputs import attending_to_first, block_mask, patched
from referee.errors import NoReadableAttention
from referee.measuring.requests import Patch, Trial, without_prefix
from referee.measuring.session import Session
from referee.prompts.tokens import align

OWN = torch.tensor([[[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0]]])
DONATED = torch.tensor([[[10.0, 20.0, 30.0, 40.0], [50.0, 60.0, 70.0, 80.0]]])
ALL, SECOND = block_mask(4, 2, None)[None], block_mask(4, 2, [1])[None]


def of(*values):
    return torch.tensor([values])


def test_a_block_is_a_run_of_neighbouring_coordinates():
    """Two blocks of four coordinates are the first two and the last two, whatever heads wrote them."""
    assert block_mask(4, 2, [1]).tolist() == [False, False, True, True]
    assert block_mask(6, 3, [0, 2]).tolist() == [True, True, False, False, True, True]
    assert block_mask(4, 2, None).all()


def test_an_output_that_does_not_divide_into_blocks_is_refused():
    """A block for each head needs a size that is a multiple of the number of heads."""
    with pytest.raises(NoReadableAttention, match="got 6 coordinates and 4 heads"):
        block_mask(6, 4, [0])


def test_a_block_is_not_the_head_of_the_same_number():
    """W_O writes head 0 to the second block here. So replacing the first block replaces what head 1 wrote."""
    heads, of_donor = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]), torch.tensor([[[10.0, 20.0], [30.0, 40.0]]])
    w_o = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    first = block_mask(2, 2, [0])[None]

    found = patched(heads @ w_o, of_donor @ w_o, of(0, 1, -1), first, torch.tensor([1.0]))

    assert (found @ w_o)[0].tolist() == [[1, 20], [3, 40], [5, 6]]


def test_rows_correspond_from_the_left_up_to_the_shorter_prompt(llama):
    """A prompt of three tokens and a donor of two: the third row has no counterpart, whatever its token means."""
    prompt, donor = random_tokens(llama, 0, 3), random_tokens(llama, 1, 2)

    assert align(prompt, donor, "left block").counterparts(3) == ([0, 1, -1], [0, 1, -1])
    assert align(donor, prompt, "left block").counterparts(2) == ([0, 1], [0, 1])


def test_the_rows_of_the_donor_replace_the_first_rows_from_the_left():
    """Three rows and a donor of two: the first two rows are the donor's, and the third stays."""
    found = patched(OWN, DONATED, of(0, 1, -1), ALL, torch.tensor([1.0]))

    assert found[0].tolist() == [[10, 20, 30, 40], [50, 60, 70, 80], [3, 3, 3, 3]]


def test_a_row_can_get_any_row_of_the_donor():
    """Rows that correspond by meaning need not have the same index."""
    found = patched(OWN, DONATED, of(-1, 0, 1), ALL, torch.tensor([1.0]))

    assert found[0].tolist() == [[1, 1, 1, 1], [10, 20, 30, 40], [50, 60, 70, 80]]


def test_only_the_chosen_blocks_are_replaced():
    """With the second of two blocks, the first two coordinates of every row stay."""
    found = patched(OWN, DONATED, of(0, 1, -1), SECOND, torch.tensor([1.0]))

    assert found[0].tolist() == [[1, 1, 30, 40], [2, 2, 70, 80], [3, 3, 3, 3]]


def test_a_share_of_the_output_is_blended():
    """A quarter of the donor and three quarters of the row itself."""
    found = patched(OWN, DONATED, of(0, 1, -1), ALL, torch.tensor([0.25]))

    assert found[0].tolist() == [[3.25, 5.75, 8.25, 10.75], [14, 16.5, 19, 21.5], [3, 3, 3, 3]]


def test_a_row_of_a_decoding_step_gets_the_first_row_of_the_donor():
    """A step computes one row, and its index in the step is 0. So the donor's row 0 takes its place."""
    found = patched(OWN[:, 2:], DONATED, of(0), ALL, torch.tensor([1.0]))

    assert found[0].tolist() == [[10, 20, 30, 40]]


def test_the_first_row_of_a_pattern_attends_to_the_first_token_alone():
    """In a decoding step, half of the first head's pattern moves to the first token. The second head stays."""
    own = torch.tensor([[[[0.2, 0.3, 0.5]], [[0.1, 0.1, 0.8]]]])

    found = attending_to_first(own, torch.tensor([[True, False]]), torch.tensor([0.5]))

    assert torch.allclose(found, torch.tensor([[[[0.6, 0.15, 0.25]], [[0.1, 0.1, 0.8]]]]))


def test_numbers_meet_their_neighbours_two_positions_off(llama):
    """From the left, each number token of the published recipient meets the donor's token two places later."""
    session = Session(llama)
    recipient, donor = (session.tokenize(PUBLISHED_CASE.asked(of)) for of in (OF_SCRIPTS.recipient, OF_SCRIPTS.donor))
    number = recipient.positions("first integer")[0]

    rows, _ = align(recipient, donor, "left block").counterparts(len(recipient))

    assert donor.positions("first integer")[0] == number - 2
    assert rows[number] == number
    assert donor.texts[rows[number]] == "8"


def published_text(subject, recipient, donor, parts, amount, layer, *, while_decoding=True, new_tokens=6):
    """Returns the ids that a model writes with forward hooks on its attention module, as published scripts set them."""
    module, saved, steps = subject.model.model.layers[layer].self_attn, [], []

    def keep(module, inputs, output):
        saved.append(output[0].detach())

    def replace_blocks(module, inputs, output):
        steps.append(output[0].shape[1])
        if len(steps) > 1 and not while_decoding:
            return output
        shape = (len(output[0]), -1, subject.n_heads, output[0].shape[-1] // subject.n_heads)
        new, source = output[0].clone().view(shape), saved[0].view(shape)
        rows = min(new.shape[1], source.shape[1])
        for part in parts:
            new[:, :rows, part] = (1 - amount) * new[:, :rows, part] + amount * source[:, :rows, part]
        return (new.view(output[0].shape), *output[1:])

    with torch.no_grad():
        hook = module.register_forward_hook(keep)
        subject.model(torch.tensor([donor.ids]))
        hook.remove()
        hook = module.register_forward_hook(replace_blocks)
        ids = torch.tensor([recipient.ids])
        written = subject.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, pad_token_id=0
        )
        hook.remove()
    return subject.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("while_decoding", [True, False])
@pytest.mark.parametrize(("parts", "amount"), [((0, 1, 2, 3), 1.0), ((0, 2), 1.0), ((0, 1, 2, 3), 0.6)])
def test_a_text_equals_that_of_hooks_on_the_module(grouped, parts, amount, while_decoding):
    """Whole output, blocks and a blend, with and without hooks while decoding: the same text as published scripts."""
    texts = []
    for seed in range(2):
        subject = tiny("Llama", grouped, seed=seed)
        session = Session(subject)
        recipient, donor = (without_prefix(session.tokenize(PUBLISHED_CASE.asked(of))) for of in (QA, SIMPLE))
        patch = Patch(
            recipient,
            donor,
            1,
            site="output",
            amount=amount,
            parts=parts,
            alignment="left block",
            while_decoding=while_decoding,
        )
        expected = published_text(subject, recipient, donor, parts, amount, 1, while_decoding=while_decoding)

        assert session.patched_texts([patch], 6) == [expected]
        texts.append(expected == session.patched_texts([Patch(recipient, None, 1)], 6)[0])
    assert not all(texts), "the replacement changed no text"


def test_patched_patterns_are_the_edits_of_the_session(llama):
    """On the prompt and its forced prefix, replaced patterns give the margins of ordinary edits, alone or in heads."""
    session = Session(llama)
    target, donor = (session.tokenize(PUBLISHED_CASE.asked(of)) for of in (QA, SIMPLE))
    edits = (None, Replace(donor, 0.5), InHeads(Replace(donor, 1.0, "left block"), (0, 2)))
    patches = [
        Patch(target, None, 1),
        Patch(target, donor, 1, amount=0.5),
        Patch(target, donor, 1, parts=(0, 2), alignment="left block"),
    ]

    found = session.patched_margins(patches)

    expected = session.margins([Trial(target, {1: edit} if edit else None) for edit in edits])["margin_logits"]
    assert found == pytest.approx(expected.tolist(), abs=1e-4)


def test_forced_tokens_follow_one_by_one():
    """Without a replacement, a forced prefix that runs row by row has the margin of the whole prompt."""
    session = Session(built())
    whole = session.tokenize(PUBLISHED_CASE.asked(QA))
    patch = Patch(without_prefix(whole), None, session.layer, forced=whole.ids[whole.n_prompt :])

    assert session.patched_margins([patch]) == pytest.approx(session.patched_margins([Patch(whole, None, 4)]), abs=1e-4)


def test_a_text_begins_with_the_forced_prefix_and_ends_before_the_end_of_the_turn():
    """The planted model writes a number and ends its turn, whether the beginning of the number is forced or not."""
    session = Session(built())
    whole = session.tokenize(PUBLISHED_CASE.asked(SIMPLE))

    assert session.patched_texts([Patch(whole, None, 4), Patch(without_prefix(whole), None, 4)], 9) == [" 9.8", " 9.8"]
