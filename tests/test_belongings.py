from __future__ import annotations

import copy
import gc
import io
import weakref

import pytest
import torch

from bandwidth import backends, sweep
from bandwidth.belongings import belonging
from bandwidth.edits import Move
from bandwidth.prompts import QA, Pair, Prompt
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
