"""The likelihood of held-out latents under a prior, and what a prior costs."""

import math

import pytest
import torch

from bench.evaluation.fitted import aggregate_log_likelihood, cost
from evaluators.context import Context
from methods.base import Streams
from methods.priors.bootstrap import BootstrapFitConfig
from methods.priors.energy import EnergyFitConfig
from methods.priors.fitting import fit_prior
from methods.priors.mixture import MixtureFitConfig
from tests.conftest import BandClassifiers, make_method
from tests.toy import image_data

CPU = torch.device("cpu")


def context(method):
    data = image_data()
    return Context(
        method.eval(), data.train, data.test, BandClassifiers(), data.attributes, 0, samples=24, batch_size=10
    )


def fitted(name, config, method):
    """On N(1, 4 I) of four dimensions."""
    z = 1 + 2 * torch.randn(4000, 4, generator=torch.Generator().manual_seed(0))
    return fit_prior(name, config, z, method.prior, Streams(0))


def test_the_likelihood_is_that_of_latents_of_held_out_tuples_per_dimension():
    method = make_method("mmvae")
    seen = context(method.with_prior(fitted("mixture", MixtureFitConfig(components=1), method)))
    measure = aggregate_log_likelihood(seen)["aggregate_log_likelihood"]
    streams = seen.streams("aggregate likelihood")
    with torch.no_grad():
        z = torch.cat([method.infer(batch, list(method.modalities), streams).z for batch in seen.batches()])
    log_p = torch.distributions.Normal(1.0, 2.0).log_prob(z).mean(1)
    assert measure.value == pytest.approx(log_p.mean().item(), abs=0.03)
    assert measure.n == len(z) == 24
    assert measure.high - measure.low == pytest.approx(2 * 1.959964 * log_p.std().item() / math.sqrt(24), rel=0.1)


@pytest.mark.parametrize(
    ("name", "config", "why"),
    [
        ("energy", EnergyFitConfig(iterations=1, batch_size=8, width=4, steps=1), "up to a constant"),
        ("bootstrap", BootstrapFitConfig(), "no density"),
    ],
)
def test_without_a_normalised_density_there_is_a_reason(name, config, why):
    method = make_method("mmvae")
    found = aggregate_log_likelihood(context(method.with_prior(fitted(name, config, method))))
    assert why in found["aggregate_log_likelihood"]


def test_the_cost_counts_what_was_fitted():
    method = make_method("mmvae")
    counted = cost(fitted("mixture", MixtureFitConfig(components=3), method), CPU)
    assert counted["parameters"] == 3 * (1 + 4 + 10) - 1
    assert counted["milliseconds_per_1000_samples"] > 0
    energy = cost(fitted("energy", EnergyFitConfig(iterations=1, batch_size=8, width=5, steps=1), method), CPU)
    assert energy["parameters"] == (4 * 5 + 5) + (5 * 5 + 5) + (5 + 1)
