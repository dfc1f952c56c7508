"""Models on devices other than the CPU, with stand-ins for two GPUs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
import torch
from fake_devices import CPU, FIRST, SECOND, FakeDevices, spread
from transformers import AutoModelForCausalLM
from transformers.integrations.accelerate import infer_auto_device_map
from transformers.pipelines import base as pipelines

from claims.competition.prompts import ORDERS, QA, SIMPLE, Pair, Prompt, injected
from conftest import SHAPES, tiny
from referee.attention.edits import Exchange, Flatten, InHeads, KnockOut, Replace, SetShare
from referee.errors import NoSuchDevice
from referee.measuring import prefix_cache, self_checks
from referee.measuring.batches import Batches, bytes_of_keys
from referee.measuring.requests import Trial, Whole
from referee.measuring.scores import (
    LogProbability,
    Margin,
    NextTokenAccuracy,
    NextTokenLogProbability,
    OutputNorm,
    TopToken,
)
from referee.measuring.session import Session
from referee.models import subjects
from referee.prompts.tokens import tokenize

PAIR = Pair("9.8", "9.11")


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    """The machine has two GPUs with a gigabyte of free memory each."""
    free = {0: 1 << 30, 1: 1 << 30}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[getattr(device, "index", device) or 0], 0))
    for name in ("memory_reserved", "memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda device: 0)
    return free


def prompts(tokenizer, *forms):
    return [tokenize(Prompt(PAIR, order, form), tokenizer) for form in forms for order in ORDERS]


@dataclass(frozen=True)
class Slopes:
    """The measure that returns the gradient."""

    def __call__(self, tokens, pattern, gradient):
        return gradient


def everything(session, tokenizer):
    """Returns tables and tensors of every kind of measurement: scores, patterns, norms, gradients and answers."""
    targets = [tokenize(Prompt(PAIR, ORDERS[0], form), tokenizer) for form in (QA, injected(9))]
    donors = [tokenize(Prompt(PAIR, ORDERS[0], SIMPLE), tokenizer)] * 2
    trials = [
        Trial(target, edits)
        for target, donor in zip(targets, donors, strict=True)
        for edits in (
            {},
            {session.layer: Replace(donor, 0.5)},
            {session.layer: InHeads(SetShare(0.3, "numerical"), (0, 2))},
            {0: Exchange(((0, 1),)), 2: Replace(donor, 1.0, "last row")},
            *({session.layer: KnockOut(((0, len(target) - 1, key),))} for key in range(2)),
        )
    ]
    last = [Margin(), LogProbability(), TopToken(), OutputNorm()]
    every = [NextTokenAccuracy("format"), NextTokenLogProbability("format")]
    lowest = [Trial(target, {0: Replace(donor, 0.5)}) for target, donor in zip(targets, donors, strict=True)]
    tables = [session.scores(trials, *last), session.scores(trials, *every), session.margins_alone(trials[1:2])]
    tensors = [
        *session.patterns(targets, Whole()),
        *session.patterns(targets, Whole(), layers=[2, 0, 1]),
        *session.edited_patterns(lowest, Whole(), layers=[2, 1]),
        *session.head_norms(targets, layers=[2, 0, 1]),
        *session.gradients(targets, Slopes()),
    ]
    return tables, tensors, session.answers(targets)


@pytest.mark.parametrize(
    ("shape", "layer", "unembedding"),
    [
        *(("Llama", layer, SECOND) for layer in range(3)),
        *((shape, 1, FIRST) for shape in ("Llama", "Gemma2", "GPT2", "OPT")),  # tied embeddings are on one device
        ("Phi", 2, SECOND),
    ],
)
def test_a_spread_model_gives_the_same_numbers(grouped, monkeypatch, shape, layer, unembedding):
    """Its layers alternate between two devices. No operation mixes the devices, and all numbers are the same."""
    monkeypatch.setattr(prefix_cache, "tokens_at_once", lambda subject: 2)
    monkeypatch.setattr("referee.measuring.batches.TOKENS_AT_ONCE", {"cpu": 1200, "cuda": 1200})
    tables, tensors, answers = everything(Session(tiny(shape, grouped).at(layer)), grouped)

    with FakeDevices():
        subject = tiny(shape, grouped).at(layer)
        spread(subject.model, unembedding=unembedding)
        found = everything(Session(subject), grouped)
        checks = self_checks.self_check(Session(subject), prompts(grouped, QA))

        assert set(subject.devices) == {FIRST, SECOND}
        assert subject.device == FIRST
    for own, expected in zip(found[0], tables, strict=True):
        pd.testing.assert_frame_equal(own, expected, atol=1e-4, rtol=1e-5)
    for own, expected in zip(found[1], tensors, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)
    assert found[2] == answers
    assert all(check.passed for check in checks)


def test_the_stand_ins_refuse_what_two_devices_refuse():
    """Operands of two devices raise an error. Numbers and indices of the CPU, and copies, do not."""
    with FakeDevices():
        first, second = torch.ones(2, 3, device="cuda:0"), torch.ones(2, 3).to("cuda:1")
        for mixed in (
            lambda: first + second,
            lambda: first @ torch.ones(3),
            lambda: torch.stack([first, second]),
            lambda: torch.nn.functional.linear(first, second),
            lambda: first[torch.tensor([0], device="cuda:1")],
        ):
            with pytest.raises(RuntimeError, match="to be on the same device"):
                mixed()
        assert (first + torch.tensor(1.0)).device == FIRST
        assert first[torch.tensor([0])].T.device == FIRST
        assert (first + second.to(first)).device == FIRST
        assert second.cpu().device == CPU
        assert torch.nn.Parameter(second[:1]).device == SECOND


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "cuda:0"])
def test_a_model_is_on_the_device_that_was_asked_for(llama_folder, monkeypatch, device):
    """The machine has GPUs, and the pipeline inside nnsight knows it. It moves no model to the first one."""
    monkeypatch.setattr(pipelines, "is_torch_cuda_available", lambda: True)

    with FakeDevices():
        subject = subjects.load(str(llama_folder), layer=1, device=device, dtype="float32")
        found = everything(Session(subject), subject.tokenizer)

        assert subject.devices == [torch.device(device)]
        assert all(buffer.device == torch.device(device) for buffer in subject.model.buffers())
    assert len(found[0]) == 3


def test_the_fingerprint_is_computed_before_the_weights_move(llama, llama_folder, monkeypatch):
    """It is known when the model is on the GPU, because copying large weights back takes longer than the digest."""
    expected = llama.fingerprint
    with FakeDevices():
        subject = subjects.load(str(llama_folder), layer=1, device="cuda:0", dtype="float32")
        monkeypatch.setattr(subjects, "_digest", None)

        assert subject.device == FIRST
        assert subject.fingerprint == expected


@dataclass
class Loader:
    """Stands for `from_pretrained`. It loads onto the CPU and spreads the model by accelerate's own map."""

    own: object
    asked: list

    def __call__(self, *args, device_map=None, max_memory=None, **options):
        self.asked.append((device_map, max_memory))
        model, found = self.own(*args, **options)
        if device_map:
            assert device_map == "auto"
            places = infer_auto_device_map(
                model, max_memory=max_memory, no_split_module_classes=model._no_split_modules
            )
            spread(
                model, places={name: place if place == "disk" else f"cuda:{place}" for name, place in places.items()}
            )
        return model, found


@pytest.fixture
def loader(monkeypatch):
    loader = Loader(AutoModelForCausalLM.from_pretrained, [])
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", loader)
    return loader


def size_of(subject):
    return sum(tensor.nbytes for tensor in (*subject.model.parameters(), *subject.model.buffers()))


@pytest.mark.parametrize(
    ("rooms", "devices"),
    [((1.01, 1.01), [FIRST]), ((0.99, 1.01), [SECOND]), ((0.95, 0.95), [FIRST, SECOND])],
    ids=["the first GPU has room", "the second GPU has room", "no GPU has room"],
)
def test_only_a_model_too_large_for_one_gpu_is_spread(llama, llama_folder, gpus, loader, rooms, devices):
    """A GPU has room for a model that takes at most four fifths of its free memory."""
    gpus.update({i: int(room * size_of(llama) / 0.8) for i, room in enumerate(rooms)})

    with FakeDevices():
        subject = subjects.load(str(llama_folder), layer=1, dtype="float32")
        found = Session(subject).margins([Trial(tokens, {1: Flatten()}) for tokens in prompts(llama.tokenizer, QA)])

        assert subject.devices == devices
    own = Session(llama).margins([Trial(tokens, {1: Flatten()}) for tokens in prompts(llama.tokenizer, QA)])
    pd.testing.assert_frame_equal(found, own, atol=1e-5)
    if len(devices) == 1:
        assert loader.asked == [(None, None)]


def test_a_model_too_large_for_all_gpus_is_refused(llama, llama_folder, gpus, loader):
    """The weights are not read. A model for which the user chose one GPU is not spread."""
    gpus.update(dict.fromkeys(gpus, size_of(llama) // 2))

    with FakeDevices():
        with pytest.raises(NoSuchDevice, match=r"must fit on all GPUs together; got 0\.0 GB of weights and room for"):
            subjects.load(str(llama_folder), dtype="float32")
        assert loader.asked == []
        assert subjects.load(str(llama_folder), dtype="float32", device="cuda:1").devices == [SECOND]
    assert loader.asked == [(None, None)]


def test_no_layer_stays_outside_the_gpus(llama, llama_folder, gpus, loader, monkeypatch):
    """The weights fit, but no layer fits into what is left on one GPU. accelerate would read it from the disk.

    Until then, its weights have no values, so there is nothing to digest.
    """
    gpus.update({0: int(0.95 * size_of(llama) / 0.8), 1: int(0.06 * size_of(llama) / 0.8)})
    monkeypatch.setattr(subjects, "_digest", None)

    with FakeDevices(), pytest.raises(NoSuchDevice, match="must fit on all GPUs together; got layers on disk"):
        subjects.load(str(llama_folder), dtype="float32")


def test_a_short_dtype_is_measured_again_on_every_device(grouped):
    """The float32 copy of a spread model is spread, too."""
    trials = [Trial(tokens, {1: Flatten()}) for tokens in prompts(grouped, QA, SIMPLE)]
    whole = tiny("Llama", grouped)
    whole.model.bfloat16()
    expected = Session(whole).margins(trials)

    with FakeDevices():
        subject = tiny("Llama", grouped)
        subject.model.bfloat16()
        spread(subject.model)
        session = Session(subject)
        found = session.margins(trials)

        assert session.precise is not None
        assert session.precise.subject.devices == [FIRST, SECOND]
        assert (session.precise.subject.dtype, session.precision.again) == ("float32", 4)
    pd.testing.assert_frame_equal(found, expected, atol=1e-4)


def test_keys_and_values_in_float32_need_twice_the_memory_of_bfloat16(grouped):
    """The weights stay in bfloat16, so the dtype of the activations decides."""
    subject = tiny("Llama", grouped)
    subject.model.bfloat16()

    assert bytes_of_keys(subject.in_float32(), 10, 3) == 2 * bytes_of_keys(subject, 10, 3)


def test_a_machine_without_a_gpu_loads_as_before(llama_folder, monkeypatch, loader):
    """No size is calculated, and no device map is passed."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: pytest.fail("a GPU is asked"))

    assert subjects.load(str(llama_folder)).devices == [CPU]
    assert loader.asked == [(None, None)]


def test_the_fullest_gpu_limits_a_batch(grouped, gpus):
    """A spread model has keys on each GPU. If one is full, batches are smaller and fewer prompts are kept."""
    with FakeDevices():
        subject = tiny("Llama", grouped)
        spread(subject.model)
        asked = prompts(grouped, QA)

        def found():
            batches = Batches([Trial(tokens) for tokens in asked], subject)
            return min(prefix_cache.prompts_kept(subject, asked), 2), len(next(iter(batches)))

        before = found()
        gpus[1] = 0

        assert (before, found()) == ((2, 2), (1, 1))


def test_every_family_can_be_spread(grouped):
    """transformers can move the layers of each family to several devices without splitting one."""
    for shape in SHAPES:
        assert tiny(shape, grouped).model._no_split_modules, shape
