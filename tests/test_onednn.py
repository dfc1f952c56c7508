from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from claims.competition.prompts import QA, Pair, Prompt
from referee.attention import onednn
from referee.measuring.requests import Trial
from referee.measuring.session import Session
from referee.prompts.tokens import tokenize


@pytest.fixture(params=[True, False], ids=["oneDNN", "elsewhere"], autouse=True)
def pays(request, monkeypatch):
    """Runs each test as on a processor where oneDNN is faster, and as on any other processor."""
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch comes without oneDNN")
    monkeypatch.setattr(onednn, "_pays", lambda: request.param)


@pytest.mark.parametrize("shape", [(1, 32), (7, 32), (3, 5, 32), (2, 3, 4, 32)])
@pytest.mark.parametrize("biased", [True, False])
def test_products_are_those_of_torch(shape, biased):
    """This is true for any number of dimensions, with and without a bias, and for any order in memory."""
    torch.manual_seed(0)
    x, layer = torch.randn(shape), nn.Linear(32, 24, bias=biased)
    turned = torch.randn(*shape[-1:], *shape[:-1]).movedim(0, -1)

    for given in (x, turned):
        with torch.no_grad():
            expected = layer(given)
            with onednn.quick():
                assert torch.allclose(layer(given), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_are_computed_as_ever(dtype):
    """Only products in float32 use oneDNN."""
    x, weight = torch.randn(3, 32).to(dtype), torch.randn(24, 32).to(dtype)

    with torch.no_grad(), onednn.quick():
        found = functional.linear(x, weight)

    assert torch.equal(found, functional.linear(x, weight))


def test_gradients_are_computed_as_ever():
    """The input, the weights and the biases get gradients."""
    x, layer = torch.randn(3, 32).requires_grad_(), nn.Linear(32, 24)

    with onednn.quick():
        layer(x).tanh().sum().backward()

    assert all(part.grad is not None and part.grad.abs().sum() > 0 for part in (x, layer.weight, layer.bias))


def test_nothing_is_left_on_a_model(llama):
    """The classes of its layers do not change, inside or outside the context."""
    with onednn.quick():
        linear = [module for module in llama.model.modules() if isinstance(module, nn.Linear)]

    assert len(linear) == 3 * 7 + 1
    assert all(type(module) is nn.Linear for module in linear)


def test_a_session_can_leave_onednn_out(llama, monkeypatch):
    """Without it, the session computes the same margins with PyTorch's default products."""
    used = []
    monkeypatch.setattr(onednn, "_fits", lambda *given: used.append(1) or False)
    trial = Trial(tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", QA), llama.tokenizer))

    without = Session(llama, onednn=False).margins([trial])
    assert used == []
    with_it = Session(llama).margins([trial])

    assert bool(used) == onednn._pays()
    assert with_it.equals(without)


def test_a_short_dtype_does_without_onednn(llama, monkeypatch):
    """Only float32 on a CPU can use oneDNN, so other passes do not check each operation."""
    monkeypatch.setattr(onednn, "_fits", lambda *given: pytest.fail("the pass asks about a product"))
    short = replace(llama, model=copy.deepcopy(llama.model).bfloat16())
    trial = Trial(tokenize(Prompt(Pair("9.8", "9.11"), "bigger first", QA), llama.tokenizer))

    assert len(Session(short).margins([trial])) == 1
