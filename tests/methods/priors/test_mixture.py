import pytest
import torch
from torch import distributions as td

from methods.base import Streams
from methods.priors.mixture import MixtureFitConfig, MixturePrior

WEIGHTS = torch.tensor([0.2, 0.8])
LOCATIONS = torch.tensor([[0.0, 1.0], [8.0, -1.0]])
COVARIANCES = torch.tensor([[[1.0, 0.4], [0.4, 0.5]], [[0.3, 0.0], [0.0, 2.0]]])


def reference():
    return td.MixtureSameFamily(td.Categorical(WEIGHTS), td.MultivariateNormal(LOCATIONS, COVARIANCES))


def test_density():
    z = 4 * torch.randn(3, 50, 2)
    torch.testing.assert_close(MixturePrior(WEIGHTS, LOCATIONS, COVARIANCES).log_prob(z), reference().log_prob(z))


def test_samples_have_the_moments():
    z = MixturePrior(WEIGHTS, LOCATIONS, COVARIANCES).sample(100_000, Streams(0))
    truth = reference()
    torch.testing.assert_close(z.mean(0), truth.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), truth.variance, atol=0, rtol=0.03)


def test_a_fit_finds_the_components():
    z = MixturePrior(WEIGHTS, LOCATIONS, COVARIANCES).sample(5000, Streams(0))
    prior = MixturePrior.fit(z, MixtureFitConfig(components=2), Streams(1))
    order = prior.weights.argsort()
    torch.testing.assert_close(prior.weights[order], WEIGHTS, atol=0.02, rtol=0)
    torch.testing.assert_close(prior.means[order], LOCATIONS, atol=0.1, rtol=0)
    covariances = prior.cholesky @ prior.cholesky.mT
    torch.testing.assert_close(covariances[order], COVARIANCES, atol=0.15, rtol=0)
    assert prior.record == {"covariance": "full", "converged": True}


def test_wide_latents_get_diagonal_mixtures():
    z = torch.randn(400, 130, generator=torch.Generator().manual_seed(0))
    prior = MixturePrior.fit(z, MixtureFitConfig(), Streams(0))
    assert prior.record["covariance"] == "diag"
    assert prior.sample(5, Streams(0)).shape == (5, 130)
    assert prior.log_prob(z).shape == (400,)


@pytest.mark.parametrize("bad", [{"components": 0}, {"tol": 0.0}, {"starts": -1}], ids=str)
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be "):
        MixtureFitConfig(**bad)
