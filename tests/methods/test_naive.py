"""The naive form of every objective that has one, against the method's own: value and gradient."""

import dataclasses

import pytest
import torch

from methods import METHODS
from methods.base import Method, Streams
from methods.distributions import Laplace, Normal
from methods.naive import FORMS, NoNaiveForm, log_density, naive_loss
from tests.conftest import make_batch, make_method
from tests.toy import HETERO_MODALITIES

FORMED = [name for name in METHODS if METHODS.load(name).loss in FORMS]


def having(field):
    """The methods with a naive form whose configuration has the field."""
    return [name for name in FORMED if field in {f.name for f in dataclasses.fields(METHODS.load(name).Config)}]


@pytest.fixture
def same_noise(monkeypatch):
    """Every sample is loc + scale · ε with an ε that depends on the dimension alone, in whatever order it is drawn."""

    def rsample(self, generator=None, shape=()):
        eps = torch.linspace(-1.5, 2.0, self.loc.shape[-1])
        return (self.loc + self.scale * eps).expand(*shape, *self.loc.shape)

    for family in (Laplace, Normal):
        monkeypatch.setattr(family, "rsample", rsample)


def loss_and_gradients(method, loss):
    method.zero_grad()
    value = loss(make_batch(7), Streams(3), 0.9)
    value.backward()
    return value.detach(), {name: p.grad.clone() for name, p in method.named_parameters() if p.grad is not None}


def varied(name, **settings):
    """A method whose experts differ from row to row, with an energy that is not flat."""
    method = make_method(name, network="conv", **settings)
    own = {id(p) for p in method.prior.parameters()}
    with torch.no_grad():
        for key, p in method.named_parameters():
            if "loc" in key or id(p) in own:
                p.add_(0.3 * torch.randn_like(p))
    return method


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in FORMED),
        *((name, {"samples": 3}) for name in having("samples")),
        ("ebm-base", {"prior": {"penalty": 0.1, "start": 0.2, "warmup": 1.0}}),
        ("mvae", {"prior_expert_singletons": False}),
        ("mmjsd", {"sample_prior": True}),
        ("mopoe", {"prior_expert_full": False}),
        ("mvtcae", {"alpha": 0.3, "beta_warmup": 1.0}),
    ],
)
def test_the_naive_way_has_the_same_loss_and_gradient(name, settings, same_noise):
    method = varied(name, **settings)
    value, gradients = loss_and_gradients(method, lambda *arguments: method.loss(*arguments)[0])
    naive_value, naive_gradients = loss_and_gradients(method, lambda *arguments: naive_loss(method, *arguments))
    torch.testing.assert_close(naive_value, value, rtol=1e-5, atol=1e-4)
    assert naive_gradients.keys() == gradients.keys()
    for key, gradient in gradients.items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(naive_gradients[key], gradient, rtol=1e-3, atol=1e-4 * scale, msg=key)
    assert sum(gradient.abs().sum() for gradient in gradients.values()) > 0


@pytest.mark.parametrize(
    "modality",
    [
        *HETERO_MODALITIES,
        dataclasses.replace(HETERO_MODALITIES[0], likelihood="normal", scale=0.3, weight=2.5),
        dataclasses.replace(HETERO_MODALITIES[1], likelihood="bernoulli", weight=0.5),
    ],
    ids=lambda modality: f"{modality.kind}-{modality.likelihood}",
)
def test_every_likelihood_has_the_same_value(modality):
    generator = torch.Generator().manual_seed(0)
    x = modality.to_input(modality.random_items(5, generator))
    parameters = torch.randn(2, 5, *modality.parameter_shape, generator=generator)
    torch.testing.assert_close(log_density(modality, x, parameters), modality.log_likelihood(x, parameters))


@pytest.mark.parametrize(("name", "settings"), [("mvae", {"random_subsets": 1}), ("mmvae", {"objective": "dreg"})])
def test_what_has_no_naive_form_says_so(name, settings):
    with pytest.raises(NoNaiveForm, match="no naive form"):
        naive_loss(make_method(name, **settings), make_batch(4), Streams(0))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_with_a_loss_of_its_own_has_no_naive_form(name):
    """Whatever it inherits from: another's naive form would be of another loss."""

    def loss(self, batch, streams, progress=1.0):
        return Method.loss(self, batch, streams, progress)

    method = make_method(name)
    method.__class__ = type("Newcomer", (type(method),), {"loss": loss})
    with pytest.raises(NoNaiveForm, match="Newcomer has no naive form"):
        naive_loss(method, make_batch(4), Streams(0))


def test_a_prior_with_a_loss_of_its_own_has_no_naive_form():
    method = make_method("mmvae")
    method.prior.__class__ = type("NewPrior", (type(method.prior),), {"loss": lambda *_: None})
    with pytest.raises(NoNaiveForm, match="NewPrior has no naive form"):
        naive_loss(method, make_batch(4), Streams(0))
