"""Langevin chains of an energy whose stationary distribution is known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evaluators.chains import ChainCoherence, snapshots
from methods.base import Streams
from methods.modality import END
from methods.priors.energy import EnergyFitConfig
from methods.priors.fitting import fit_prior
from tests.conftest import make_method
from tests.evaluators.oracle import ToyClassifiers, context, evaluate
from tests.toy import HETERO_MODALITIES, VOCABULARY, hetero_data, image_data


def linear(method):
    """f(z) = a·z: then p_α = N(−a, I), and so is the chains' distribution in the end, up to a wider variance."""
    a = torch.linspace(-1, 1, method.config.latent_dim)
    method.prior.network = nn.Linear(len(a), 1, bias=False)
    with torch.no_grad():
        method.prior.network.weight.copy_(a[None])
    return a


def test_chains_end_where_samples_do_and_start_at_p0():
    prior = make_method("ebm-base").prior
    start, end = prior.chains(5, [0, prior.config.steps], Streams(3))
    assert torch.equal(end, prior.sample(5, Streams(3)))
    assert torch.equal(start, prior.base().rsample(Streams(3).langevin, (5,)))
    assert not torch.equal(start, end)


def test_a_chain_does_not_depend_on_where_it_is_looked_at():
    prior = make_method("ebm-base").prior
    *_, often = prior.chains(5, [0, 3, 4, 10], Streams(0))
    (once,) = prior.chains(5, [10], Streams(0))
    assert torch.equal(often, once)


@pytest.mark.parametrize("name", ["ebm-base", "ebm-generalized"])
def test_the_energy_falls_from_p0_to_the_prior(name):
    method = make_method(name, prior={"steps": 40}).eval()
    a = linear(method)
    (measure,) = evaluate("chains", context(method, image_data(), samples=4000, batch_size=1000)).values()
    details = measure.details
    assert details["steps"] == [0, 7, 13, 20, 27, 33, 40, 80, 160, 320]
    assert details["steps_trained"] == 40
    error = a.norm().item() * 4 / 4000**0.5
    assert details["energy"][0] == pytest.approx(0.0, abs=error)
    assert details["energy"][-1] == pytest.approx(-a.square().sum().item(), abs=1.2 * error)
    assert details["energy"] == pytest.approx(
        [(0.92**t - 1) * a.square().sum().item() for t in details["steps"]],
        abs=1.2 * error,  # each step of size 0.4 leaves 1 − 0.4² / 2 of the distance
    )
    assert details["energy_std"][0] == pytest.approx(a.norm().item(), rel=0.1)
    assert measure.value == details["joint_coherence"][-1]
    assert measure.low - 1e-12 <= measure.value <= measure.high


def test_chains_that_run_away_are_no_result():
    method = make_method("ebm-base").eval()
    with torch.no_grad():
        method.decoders["m1"].pixels.bias[:] = torch.inf
    with pytest.raises(FloatingPointError, match="m1 are not finite"):
        evaluate("chains", context(method, image_data()))


def test_snapshots_are_few_where_steps_are_few():
    assert snapshots(60) == [0, 10, 20, 30, 40, 50, 60]
    assert snapshots(2) == [0, 1, 2]
    assert snapshots(0) == [0]


def test_a_prior_without_chains_has_no_measure_of_them():
    assert ChainCoherence().applies(context(make_method("mmvae").eval(), image_data())) == "the prior has no chains"


def test_chains_of_a_fitted_energy():
    method, data = make_method("mmvae").eval(), image_data()
    z = 2 + 3 * torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    prior = fit_prior("energy", EnergyFitConfig(iterations=2, steps=6, width=8), z, method.prior, Streams(0))
    details = evaluate("chains", context(method.with_prior(prior), data))["joint_coherence_long"].details
    assert details["steps"] == [0, 1, 2, 3, 4, 5, 6, 12, 24, 48]


def test_chains_of_several_attributes():
    method = make_method("ebm-generalized", modalities=HETERO_MODALITIES).eval()
    (measure,) = evaluate("chains", context(method, hetero_data(), classifiers=ToyClassifiers())).values()
    assert 0 < measure.chance <= 1
    assert len(measure.details["joint_coherence"]) == len(measure.details["steps"])


class Speaking(nn.Module):
    """Logits of "a <eos>" where z_0 > 0, and of "a a <eos>" elsewhere."""

    def forward(self, u):
        ids = torch.tensor([[3, END, 0, 0, 0, 0], [3, 3, END, 0, 0, 0]])[(u[:, 0] <= 0).long()]
        return F.one_hot(ids, len(VOCABULARY)).float()


def test_well_formed_sentences_along_the_chains():
    """f(z) = −3 z_0: chains drift to z_0 > 0, where the sentences are good."""
    method = make_method("ebm-base", modalities=HETERO_MODALITIES, prior={"steps": 40}).eval()
    linear(method)
    with torch.no_grad():
        method.prior.network.weight.copy_(torch.tensor([[-3.0, 0, 0, 0]]))
    method.decoders["caption"] = Speaking()
    (measure,) = evaluate("chains", context(method, hetero_data(), samples=200, classifiers=ToyClassifiers())).values()
    shares = measure.details["well_formed"]
    assert len(shares) == len(measure.details["steps"])
    assert shares[0] == pytest.approx(0.5, abs=0.15)
    assert shares[-1] > 0.95


def test_images_have_no_share_of_well_formed_sentences():
    (measure,) = evaluate("chains", context(make_method("ebm-base").eval(), image_data())).values()
    assert set(measure.details) == {"steps", "steps_trained", "joint_coherence", "energy", "energy_std"}
