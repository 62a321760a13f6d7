"""What is particular to vectors: storage, likelihood, networks, and how they are drawn."""

import numpy as np
import pytest
import torch
from torch import distributions as td

from methods import METHODS
from methods.base import Streams
from methods.modality import SPECIAL, ImageModality, TextModality
from methods.networks import NETWORKS, NetworkChoice
from methods.vector import VectorModality
from tests.conftest import make_method

MODALITIES = (
    VectorModality("numbers", (5,), scale=0.5),
    ImageModality("photo", (1, 8, 12)),
    TextModality("caption", (3,), vocabulary=(*SPECIAL, "a", "b")),
)


def reference(likelihood, parameters):
    if likelihood == "bernoulli":
        return td.Bernoulli(logits=parameters, validate_args=False)
    return {"laplace": td.Laplace, "normal": td.Normal}[likelihood](parameters, 0.6)


@pytest.mark.parametrize("likelihood", VectorModality.LIKELIHOODS)
def test_log_likelihood_and_items(likelihood):
    modality = VectorModality("v", (5,), likelihood, scale=0.6, weight=1.7)
    x, parameters = torch.rand(4, 5), torch.randn(2, 3, 4, 5)
    value = modality.log_likelihood(x, parameters)
    density = reference(likelihood, parameters)
    torch.testing.assert_close(value, 1.7 * density.log_prob(x.expand_as(parameters)).sum(-1))
    assert value.shape == (2, 3, 4)
    torch.testing.assert_close(modality.to_item(parameters), density.mean)


def test_what_is_stored_is_the_input_in_a_tensor_of_its_own():
    modality = VectorModality("v", (5,))
    stored = modality.random_items(7, torch.Generator().manual_seed(0))
    assert stored.dtype == modality.storage == torch.float32
    x = modality.to_input(stored)
    assert torch.equal(x, stored)
    assert x.data_ptr() != stored.data_ptr()


@pytest.mark.parametrize("shape", [(), (0,), (3, 4)])
def test_a_vector_has_one_axis(shape):
    with pytest.raises(ValueError, match=r"a vector 'v' has the shape \(numbers,\)"):
        VectorModality("v", shape)


@pytest.mark.parametrize("size", [1, 5])
@pytest.mark.parametrize("name", NETWORKS["vector"])
def test_shapes_of_its_networks(name, size):
    modality = VectorModality("v", (size,))
    networks = NetworkChoice(vector=name).of(modality)
    assert networks is NETWORKS["vector"][name]
    loc, raw = networks.encoder(modality, 3, 5)(torch.randn(6, size))
    assert loc.shape == raw.shape == (6, 8)
    assert networks.decoder(modality, 0, 8)(torch.randn(6, 8)).shape == (6, size)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_models_it_beside_other_kinds(name):
    method = make_method(name, modalities=MODALITIES)
    batch = {m.name: m.to_input(m.random_items(6, torch.Generator().manual_seed(0))) for m in MODALITIES}
    loss, terms = method.loss(batch, Streams(0))
    loss.backward()
    assert terms["elbo"].isfinite()
    assert all(parameter.grad is not None for parameter in method.encoders["numbers"].parameters())
    latents = method.eval().infer({"numbers": batch["numbers"]}, ["numbers"], Streams(0))
    assert method.decode(latents, ["numbers"])["numbers"].shape == (6, 5)


def test_numbers_are_drawn_as_bars_about_the_middle():
    vectors = torch.tensor([[3.0, -3.0, 0.0, 1.5], [99.0, float("nan"), -99.0, float("inf")]], requires_grad=True)
    first, second = VectorModality("v", (4,)).draw(vectors, scale=2)
    assert first.size == second.size == (56, 28)
    ink = (np.asarray(first)[:, 7::14, 0] < 128).sum(0)  # of each bar, in its middle column
    assert ink.tolist() == [14, 14, 0, 7]
    assert (np.asarray(first)[:14, 7] < 128).all()
    assert (np.asarray(first)[14:, 21] < 128).all()
    assert (np.asarray(second)[:, 7::14, 0] < 128).sum(0).tolist() == [14, 0, 14, 14]
