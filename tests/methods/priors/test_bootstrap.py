import pytest
import torch

from methods.base import Streams
from methods.priors.bootstrap import BootstrapFitConfig
from methods.priors.fitting import fit_prior
from tests.methods.priors.densities import moons, own


@pytest.fixture
def prior():
    return fit_prior("bootstrap", BootstrapFitConfig(), moons(50), own(), Streams(0))


def test_every_sample_is_one_that_it_was_given(prior):
    distances, rows = torch.cdist(prior.sample(400, Streams(1)), moons(50)).min(1)
    assert distances.max() < 1e-3
    assert 2 < torch.bincount(rows).max() < 30  # with replacement
    assert len(rows.unique()) > 45


def test_it_has_no_density_and_says_so(prior):
    for call in (
        lambda: prior.log_prob(torch.zeros(1, 2)),
        lambda: prior.elbo_term(torch.zeros(1, 2), Streams(0)),
        lambda: prior.log_partition(10, Streams(0)),
    ):
        with pytest.raises(NotImplementedError, match="samples and no density"):
            call()
    assert prior.size == 100
