from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from bandwidth import products


@pytest.mark.parametrize("shape", [(1, 32), (7, 32), (3, 5, 32), (2, 3, 4, 32)])
@pytest.mark.parametrize("biased", [True, False])
def test_products_are_those_of_torch(shape, biased):
    """Of any number of dimensions, with a bias or without, from memory in any order."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(24, 32), torch.randn(24) if biased else None
    turned = torch.randn(*shape[-1:], *shape[:-1]).movedim(0, -1)

    for given in (x, turned):
        with torch.no_grad():
            found = products.linear(given, weight, bias)
        assert torch.allclose(found, functional.linear(given, weight, bias), atol=1e-5)


@pytest.fixture(params=[True, False], ids=["oneDNN", "elsewhere"])
def quick(request, monkeypatch):
    """On a processor where oneDNN is faster, and on any other."""
    if request.param and not products._has_onednn():
        pytest.skip("oneDNN is not used on this processor")
    monkeypatch.setattr(products, "_has_onednn", lambda: request.param)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shape", [(1, 32), (3, 5, 32)])
@pytest.mark.parametrize("biased", [True, False])
def test_a_product_can_be_added_and_multiplied(shape, biased):
    """What follows the product may be done in one go with it."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(24, 32), torch.randn(24) if biased else None
    other, expected = torch.randn(*shape[:-1], 24), functional.linear(x, weight, bias)
    product = products.Product(nn.Parameter(weight), bias)

    with torch.inference_mode():
        assert torch.allclose(product(x), expected, atol=1e-5)
        assert torch.allclose(product.plus(x, other), expected + other, atol=1e-5)
        assert torch.allclose(product.times(x, other), expected * other, atol=1e-5)
        assert product(x[:0]).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes_are_torch_s_own(dtype):
    """Only float32 goes another way."""
    x, weight = torch.randn(3, 32).to(dtype), torch.randn(24, 32).to(dtype)

    with torch.no_grad():
        assert torch.equal(products.linear(x, weight), functional.linear(x, weight))
        assert torch.equal(products.Product(weight)(x), functional.linear(x, weight))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("shape", [(1, 32), (3, 5, 32)])
@pytest.mark.parametrize("biased", [True, False])
def test_gradients_go_back_through_products(shape, biased):
    """To what entered, in float64 the same."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(24, 32), torch.randn(24) if biased else None
    then = torch.randn(*shape[:-1], 24)

    def gradient(x, *given):
        x = x.requires_grad_()
        return torch.autograd.grad((products.linear(x, *given).tanh() * then.to(x)).sum(), x)[0]

    expected = gradient(x.double(), weight.double(), None if bias is None else bias.double())
    assert torch.allclose(gradient(x, weight, bias), expected.float(), atol=1e-4)


@pytest.mark.usefixtures("quick")
def test_weights_can_be_learned():
    """Where a weight or a bias needs a gradient, it gets one."""
    for part in range(2):
        x, given = torch.randn(3, 32), [torch.randn(24, 32), torch.randn(24)]
        given[part].requires_grad_()

        products.linear(x, *given).sum().backward()

        assert given[part].grad is not None
        assert given[part].grad.abs().sum() > 0


def test_a_quickened_model_can_be_copied_and_converted():
    """A copy has weights of its own, and computes in its own precision."""
    model = nn.Sequential(nn.Linear(32, 24), nn.Tanh(), nn.Linear(24, 2))
    x = torch.randn(5, 32)
    with torch.no_grad():
        expected = model(x)
        products.quicken(model)
        other = copy.deepcopy(model).double()
        model[0].weight.zero_()

        assert torch.allclose(other(x.double()).float(), expected, atol=1e-5)
        assert not torch.allclose(model(x), expected, atol=1e-5)


def test_a_subject_s_linear_layers_are_quick(llama):
    """All of them, the unembedding too."""
    linear = [module for module in llama.model.modules() if isinstance(module, nn.Linear)]

    assert len(linear) == 3 * 7 + 1
    assert all(type(module) is products._Linear for module in linear)
