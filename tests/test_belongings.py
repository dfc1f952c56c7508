from __future__ import annotations

import copy
import gc
import io
import weakref

import pytest
import torch

from bandwidth import backends, subjects, sweep
from bandwidth.belongings import belonging
from bandwidth.edits import Move
from bandwidth.prompts import ORDERS, QA, Pair, Prompt
from bandwidth.tokens import tokenize
from conftest import tiny


@pytest.mark.parametrize("backend", backends.NAMES)
def test_a_model_that_nobody_holds_is_freed(grouped, monkeypatch, backend):
    """With all that was computed of it, however it refers to the model."""
    monkeypatch.setattr(backends, "_chosen", backend)
    subject = tiny("Llama", grouped)
    tokens = tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", QA), subject.tokenizer)
    sweep.run(subject, [sweep.Trial(tokens), sweep.Trial(tokens, Move(0.5))])
    model = weakref.ref(subject.model)

    del subject
    gc.collect()

    assert model() is None


@pytest.mark.parametrize("backend", backends.NAMES)
def test_a_model_with_other_weights_is_assembled_anew(grouped, monkeypatch, backend):
    """Nothing is left of what it computed before, nor is a layer still idle that no longer is."""
    monkeypatch.setattr(backends, "_chosen", backend)
    before = tiny("Llama", grouped)
    layer = before.model.model.layers[2]
    held = copy.deepcopy(layer.state_dict())
    for weight in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight):
        weight.zero_()
    before = subjects.assemble(before.model, grouped, name="before", layer=1)
    prompts = [tokenize(Prompt(Pair("9.8", "9.11"), order, QA), grouped) for order in ORDERS]
    trials = [sweep.Trial(tokens, edit) for tokens in prompts for edit in (None, Move(0.5))]
    idle = sweep.run(before, trials)["margin_logits"]
    sweep.answers(before, prompts)

    layer.load_state_dict(held)
    before.model.model.layers[0].mlp.down_proj.weight.mul_(2)
    after = subjects.assemble(before.model, grouped, name="after", layer=1)
    found = sweep.run(after, trials)["margin_logits"]

    fresh = subjects.assemble(copy.deepcopy(before.model), grouped, name="fresh", layer=1)
    assert found.tolist() == sweep.run(fresh, trials)["margin_logits"].tolist()
    assert sweep.answers(after, prompts) == sweep.answers(fresh, prompts)
    assert (found - idle).abs().min() > 1e-3


def test_belongings_are_made_once_and_not_copied(grouped):
    """A copy of the model has weights of its own, and so has what is made of it; nor are they saved."""
    model = tiny("Llama", grouped).model
    held = belonging(model, "some", list)
    held.append(1)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)

    assert belonging(model, "some", list) is held
    assert belonging(copy.deepcopy(model), "some", list) == []
    assert belonging(torch.load(file, weights_only=False), "some", list) == []
