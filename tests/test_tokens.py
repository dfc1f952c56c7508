import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from claims.competition.chat import chat_format
from claims.competition.prompts import INJECTION, ORDERS, POSITIONS, QA, SIMPLE, Format, Pair, Prompt, pairs
from referee.errors import SelfCheckFailed, UnscorableTokens
from referee.models.small_tokenizer import small_tokenizer
from referee.prompts.tokens import Role, align, alike, lengthened, tokenize

FORMATS = {format.name: format for format in (SIMPLE, QA, *INJECTION, *POSITIONS)}
PAIR = Pair("9.8", "9.11")

# n number token, f format token, . other; BOS, where there is one, is the first dot.
# Spaces before a number are tokens of their own in both tokenizers.
CATEGORIES = {
    "Simple": "nnn..nnnfff",
    "Q&A": "ffffff.nnn..nnnfff",
    "Minimal": "nnn..nnnf",
    "Light": "ff.nnn..nnnf",
    "Medium": "ff.nnn..nnnf",
    "Heavy": "ffffff.nnn..nnnfff",
    "Full": "ffffffff.nnn..nnnffff",
    "Original": "nnn..nnnfff",
    "Prefix_Short": "ff.nnn..nnnfff",
    "Prefix_Long": "fffff.nnn..nnnfff",
    "Suffix": "ff.nnn..nnnf",
    "Wrapped": "fff.nnn..nnnffffff",
    "Spaced": "f.ff.nnn.f.ff.nnn.ffff",
}


def letters(tokens):
    return "".join({"numerical": "n", "format": "f", "other": "."}[c] for c in tokens.categories[: tokens.n_prompt])


def text_of(tokens, tokenizer, category):
    return [tokenizer.decode([i]) for i, c in zip(tokens.ids, tokens.categories, strict=True) if c == category]


@pytest.mark.network
@pytest.mark.parametrize("name", FORMATS)
def test_categories_on_the_tokenizer_of_smollm2(name, smollm2_tokenizer):
    """Digits one by one, no BOS: "11" has two tokens."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS[name]), smollm2_tokenizer)

    before, after = CATEGORIES[name].rsplit("nnn", 1)
    assert letters(tokens) == f"{before}nnnn{after}"


@pytest.mark.network
@pytest.mark.parametrize("name", FORMATS)
def test_categories_on_the_tokenizer_of_llama_3(name, llama3_tokenizer):
    """Digits in groups, one BOS: "11" has one token."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS[name]), llama3_tokenizer)

    assert letters(tokens) == "." + CATEGORIES[name]


@pytest.mark.network
def test_chat_of_smollm2(smollm2_tokenizer):
    """The template's own system turn is format; marks that end a turn, line breaks and the leading BOS are not."""
    tokens = tokenize(Prompt(PAIR, "bigger first", chat_format(smollm2_tokenizer)), smollm2_tokenizer)

    assert tokens.has_bos
    assert set(text_of(tokens, smollm2_tokenizer, "other")) == {
        "<|im_start|>",
        "<|im_end|>",
        "\n",
        " ",
        " or",
    }
    assert text_of(tokens, smollm2_tokenizer, "answer") == ["9", "."]
    assert "".join(text_of(tokens, smollm2_tokenizer, "numerical")) == "9.89.11"
    assert smollm2_tokenizer.decode([tokens.ids[i] for i in tokens.cue]) == "\n<|im_start|>assistant\n"


@pytest.mark.network
def test_chat_of_llama_3(llama3_tokenizer):
    """The literal header text, with one BOS and without the template's dated system turn."""
    format = chat_format(llama3_tokenizer)
    tokens = tokenize(Prompt(PAIR, "bigger first", format), llama3_tokenizer)

    assert llama3_tokenizer.decode(tokens.ids) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhich is bigger: 9.8 or 9.11?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n9."
    )
    assert letters(tokens) == ".fff.ffff.nnn..nnnf.fff."


@pytest.mark.parametrize("name", FORMATS)
def test_categories_on_the_small_tokenizer(name, grouped):
    """The hand-made tokenizer splits numbers as Llama 3 does; runs of spaces are single spaces there."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS[name]), grouped)

    assert text_of(tokens, grouped, "numerical") == ["9", ".", "8", "9", ".", "11"]
    assert grouped.unk_token_id not in tokens.ids


def test_digits_of_a_label_are_format(single):
    """The 1 of "Number 1:" belongs to the format, the 1 of 9.11 to the number."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS["Spaced"]), single)

    assert "1" in text_of(tokens, single, "format")
    assert "".join(text_of(tokens, single, "numerical")) == "9.89.11"


def test_the_substring_rule_mislabels(single):
    """The seed document's rule takes a label's digit for a number; it is kept as a variant only."""
    tokens = tokenize(Prompt(PAIR, "bigger first", FORMATS["Spaced"]), single)

    disagree = [i for i in range(tokens.n_prompt) if tokens.categories[i] != tokens.substring_categories[i]]
    assert [single.decode([tokens.ids[i]]) for i in disagree if tokens.substring_categories[i] == "numerical"] == [
        "1",
        "2",
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_roles(order, single):
    """Each part of either number is found, in either order."""
    tokens = tokenize(Prompt(PAIR, order, QA), single)
    said = {
        (number, part): "".join(single.decode([tokens.ids[i]]) for i in tokens.positions(Role(number, part)))
        for number in ("first", "second")
        for part in ("integer", "point", "fraction")
    }

    fractions = ("8", "11") if order == "bigger first" else ("11", "8")
    assert said == {
        ("first", "integer"): "9", ("first", "point"): ".", ("first", "fraction"): fractions[0],
        ("second", "integer"): "9", ("second", "point"): ".", ("second", "fraction"): fractions[1],
    }  # fmt: skip


def test_the_shared_beginning_is_forced(grouped, single):
    """After "9." the answers part in one token: 8 against 11, or 8 against 1."""
    for tokenizer, wrong in ((grouped, "11"), (single, "1")):
        tokens = tokenize(Prompt(PAIR, "bigger first", QA), tokenizer)

        assert tokenizer.decode(tokens.ids[tokens.n_prompt :]) == " 9."
        assert tokenizer.decode([tokens.right_id]) == "8"
        assert tokenizer.decode([tokens.wrong_id]) == wrong


def test_a_longer_shared_beginning_is_forced_whole(single):
    """9.85 and 9.82 share "9.8" where digits are tokens of their own."""
    tokens = tokenize(Prompt(Pair("9.85", "9.82"), "bigger first", SIMPLE), single)

    assert single.decode(tokens.ids[tokens.n_prompt :]) == " 9.8"
    assert single.decode([tokens.right_id]) == "5"


def test_one_bos(grouped, single):
    """A tokenizer that begins with BOS does so once; one that does not is left alone."""
    assert tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped).ids.count(grouped.bos_token_id) == 1
    assert single.bos_token_id not in tokenize(Prompt(PAIR, "bigger first", SIMPLE), single).ids


def test_a_written_bos_is_not_doubled(grouped):
    """A chat template that writes the BOS itself still gives one."""
    format = Format("Chat", ((grouped.bos_token, "format"), *QA.segments))
    tokens = tokenize(Prompt(PAIR, "bigger first", format), grouped)

    assert tokens.ids.count(grouped.bos_token_id) == 1
    assert tokens.categories[0] == "other"


def test_a_doubled_bos_is_a_fault(grouped):
    """Two BOS shift results on real models without any other sign."""
    format = Format("Chat", ((grouped.bos_token * 2, "format"), *QA.segments))

    with pytest.raises(SelfCheckFailed, match="one BOS; got two"):
        tokenize(Prompt(PAIR, "bigger first", format), grouped)


def test_a_prompt_that_changes_under_its_answer_is_refused(grouped):
    """A prompt that ends in a digit would merge with the answer."""
    format = Format("Bad", (("", "first"), ("or", "separator"), ("", "second")), answer_lead="")

    with pytest.raises(UnscorableTokens, match="must follow the prompt's own tokens"):
        tokenize(Prompt(Pair("9.85", "9.12"), "bigger first", format), grouped)


def test_no_template_no_chat():
    """A base model has no Chat format, though its tokenizer may know the header tokens."""
    tokenizer = small_tokenizer()
    tokenizer.chat_template = None

    assert chat_format(tokenizer) is None


@pytest.mark.parametrize(
    ("template", "special", "cue", "lead"),
    [
        ("<t>user\n{{ messages[0]['content'] }}</t>\n<t>model{{ '\n' }}", ("<eos>", "<t>", "</t>"), "\n<t>model\n", ""),
        ("[I] {{ messages[0]['content'] }}[/I]", ("</s>", "[I]", "[/I]"), "[/I]", ""),
        ("Human: {{ messages[0]['content'] }}\nBot:", ("</s>",), "\nBot:", " "),
    ],
    ids=["end of turn is not eos, as in Gemma", "a tail of one token, as in Mistral", "plain words"],
)
def test_chat_formats_of_other_families(template, special, cue, lead):
    """What opens the answer is the cue, what ends the user's turn is not."""
    backend = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token=special[0], extra_special_tokens=list(special[1:])
    )
    tokenizer.chat_template = template

    format = chat_format(tokenizer)

    assert "".join(text for text, label in format.segments if label == "cue") == cue
    assert format.answer_lead == lead


def test_a_blank_that_a_tokenizer_puts_first_is_no_number():
    """SentencePiece tokenizers put "▁" before the text and report the first character's place for it."""
    pieces = ["▁", "9", ".", "8", "1", "▁or", "?", "▁Answer", ":", "Q", "▁Which", "▁is", "▁bigger", "▁A", "▁Q"]
    backend = Tokenizer(WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(Regex(r"▁?[A-Za-z]+|[^A-Za-z]"), "isolated"),
        ]
    )
    backend.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)

    donor, target = (tokenize(Prompt(PAIR, "bigger first", f), tokenizer) for f in (SIMPLE, QA))

    assert tokenizer.convert_ids_to_tokens(donor.ids[0]) == "▁"
    assert donor.categories[0] == "other"
    assert [donor.ids[d] for d in align(target, donor).donor] == [
        target.ids[t] if target.roles[t] else donor.ids[d]
        for t, d in zip(align(target, donor).target, align(target, donor).donor, strict=True)
    ]


@given(order=st.sampled_from(ORDERS), index=st.integers(0, 99), digits=st.sampled_from([1, 3]),
       names=st.tuples(st.sampled_from(list(FORMATS)), st.sampled_from(list(FORMATS))))  # fmt: skip
def test_alignment_keeps_meaning_and_order(order, index, digits, names):
    """Corresponding positions hold the same number token or lie in the tails, and never cross."""
    tokenizer = TOKENIZERS[digits]
    pair = pairs(100)[index]
    target, donor = (tokenize(Prompt(pair, order, FORMATS[name]), tokenizer) for name in names)

    alignment = align(target, donor)

    for mine, theirs in zip(alignment.target, alignment.donor, strict=True):
        assert target.roles[mine] == donor.roles[theirs]
        if target.roles[mine]:
            assert target.ids[mine] == donor.ids[theirs]
    assert list(alignment.target) == sorted(set(alignment.target))
    assert list(alignment.donor) == sorted(set(alignment.donor))
    assert sum(role is not None for role in target.roles) == sum(target.roles[i] is not None for i in alignment.target)


TOKENIZERS = {1: small_tokenizer(digits_per_token=1, bos=False), 3: small_tokenizer()}


def test_alignment_of_simple_to_question_by_hand(grouped):
    """BOS, the two numbers, the cue and the forced " 9."; nothing for "Q: Which is bigger:" and "or"."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)
    alignment = align(target, donor)

    said = [(grouped.decode([target.ids[t]]), grouped.decode([donor.ids[d]]))
            for t, d in zip(alignment.target, alignment.donor, strict=True)]  # fmt: skip
    assert said == [
        ("<|begin_of_text|>", "<|begin_of_text|>"), ("9", "9"), (".", "."), ("8", "8"), ("9", "9"), (".", "."),
        ("11", "11"), (" A", " Answer"), (":", ":"), (" ", " "), ("9", "9"), (".", "."),
    ]  # fmt: skip
    assert alignment.rows == alignment.target


def test_last_row_alignment_edits_the_prompts_last_row(grouped):
    """The same columns, one row: the one that the forced prefix follows."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)

    assert align(target, donor, "last row").rows == (target.n_prompt - 1,)
    assert align(target, donor, "last row").target == align(target, donor).target


def test_left_block_puts_numbers_on_format_tokens(grouped):
    """Laying prompts on each other from the left, as published scripts do, pairs tokens of different meaning."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), grouped)
    left = align(target, donor, "left block")

    crossed = [(target.categories[t], donor.categories[d]) for t, d in zip(left.target, left.donor, strict=True)]
    assert ("format", "numerical") in crossed


@pytest.mark.parametrize("tokenizer", [1, 3])
def test_a_lengthened_donor_lies_on_its_target(tokenizer):
    """After filler, every number token of Simple stands where it stands in Q&A."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), TOKENIZERS[tokenizer])
    donor = lengthened(
        tokenize(Prompt(PAIR, "bigger first", SIMPLE), TOKENIZERS[tokenizer]), len(target), TOKENIZERS[tokenizer]
    )

    assert len(donor) == len(target)
    assert donor.roles == target.roles
    assert donor.ids[donor.n_prompt :] == target.ids[target.n_prompt :]


def test_a_prompt_is_not_shortened(grouped):
    """Filler can only be added."""
    tokens = tokenize(Prompt(PAIR, "bigger first", QA), grouped)

    with pytest.raises(ValueError, match="cannot be lengthened to 3"):
        lengthened(tokens, 3, grouped)


def test_numbers_that_split_differently_cannot_be_aligned(grouped, single):
    """An alignment position by position needs the same tokens on both sides."""
    target = tokenize(Prompt(PAIR, "bigger first", QA), grouped)
    donor = tokenize(Prompt(PAIR, "bigger first", SIMPLE), single)

    with pytest.raises(UnscorableTokens, match="1 and 2 for the fraction of the second number"):
        align(target, donor)


def test_alike_groups_indices():
    """Groups come in order of first appearance and hold every index once."""
    assert alike(["a", "bb", "c"], len) == [[0, 2], [1]]
