"""The importance-sampled likelihood of a model whose likelihood is known, and of small untrained ones."""

import dataclasses
import json
import math

import pytest
import torch
from torch import nn

from bench.datasets.base import Split
from evaluators.context import Context
from evaluators.likelihood import LikelihoodSettings, importance_log_weights
from methods import METHODS
from methods.base import Latents, Method
from methods.distributions import Normal
from methods.modality import ELEMENTWISE, Modality
from methods.priors.energy import EnergyPrior, EnergyPriorConfig
from methods.priors.factorised import FactorisedPrior
from tests.conftest import BandClassifiers, make_method
from tests.evaluators import oracle
from tests.evaluators.oracle import evaluate, reason
from tests.toy import image_data


class Vector(Modality):
    """Numbers, stored as bytes."""

    kind, storage, LIKELIHOODS = "vector", torch.uint8, ("normal",)
    parameter_shape = property(lambda self: self.shape)

    def to_input(self, stored):
        return stored.float() / 255

    def log_likelihood(self, x, parameters):
        return self.weight * ELEMENTWISE["normal"](x, parameters, self.scale, 1)

    def to_item(self, parameters):
        raise NotImplementedError

    draw = random_items = to_item


SPEC = (Vector("m0", (1,), "normal", scale=0.1, weight=3.0), Vector("m1", (2,), "normal", scale=0.5, weight=0.2))
SLOPE = torch.tensor([1.5, -0.7, 0.4])
VARIANCE = torch.tensor([0.01, 0.25, 0.25])


class Linear(Method):
    """p(z) = N(shift, 1), x = a z + noise. It proposes from the exact posterior, `width` times as wide."""

    def __init__(self, width=1.0, prior=None, shift=0.0):
        super().__init__(None, SPEC)
        self.width, self.shift = width, shift
        self.somewhere = nn.Parameter(torch.zeros(1))  # a model's parameters say on which device it is
        self.prior = prior or FactorisedPrior("normal", 1.0, 1)

    def loss(self, batch, streams, progress=1.0):
        raise NotImplementedError

    def infer(self, batch, given, streams):
        raise NotImplementedError

    def propose(self, batch, samples, streams):
        x = torch.cat(list(batch.values()), 1)
        precision = 1 + (SLOPE**2 / VARIANCE).sum()
        mean = (self.shift + x @ (SLOPE / VARIANCE)[:, None]) / precision  # [B, 1]
        q = Normal(mean, self.width * precision.rsqrt().expand_as(mean))
        z = q.rsample(streams.noise, (samples,))
        return Latents(z.flatten(0, 1)), q.log_prob(z).sum(-1)

    def decode(self, latents, modalities):
        x = latents.z * SLOPE
        return {name: {"m0": x[:, :1], "m1": x[:, 1:]}[name] for name in modalities}

    def exact(self, context):
        """log p(X) of each held-out tuple, in the evaluation's order: [N]."""
        x = torch.cat([torch.cat(list(batch.values()), 1) for batch in context.batches()]).double()
        a = SLOPE.double()
        joint = torch.distributions.MultivariateNormal(self.shift * a, torch.outer(a, a) + VARIANCE.double().diag())
        return joint.log_prob(x)


class LinearEnergy(nn.Module):
    """f(z) = c z: under N(0, 1) the prior is N(−c, 1)."""

    def __init__(self, c):
        super().__init__()
        self.c = nn.Parameter(torch.tensor(c))

    def forward(self, z):
        return self.c * z


def context(method, rows=30, batch_size=1000):
    generator = torch.Generator().manual_seed(0)
    test = {m.name: torch.randint(256, (rows, *m.shape), generator=generator, dtype=torch.uint8) for m in SPEC}
    split = Split(test, {}, SPEC)
    return Context(method, split, split, BandClassifiers(), {}, 0, 1000, batch_size)


def energy_model(c, width=1.0):
    prior = EnergyPrior(EnergyPriorConfig(), 1)
    prior.network = LinearEnergy(c)
    return Linear(width, prior, shift=-c)


@pytest.mark.parametrize("batch_size", [7, 200, 1000])
def test_the_exact_posterior_gives_the_exact_likelihood(batch_size):
    """Every weight is p(X), whatever K is and however tuples and samples share the calls of the decoders."""
    method = Linear()
    measure = evaluate("likelihood", context(method, batch_size=batch_size), samples=60)["log_likelihood"]
    exact = method.exact(context(method))
    assert measure.value == pytest.approx(exact.mean().item(), abs=1e-4)
    assert measure.high - measure.low == pytest.approx(2 * 1.96 * exact.std().item() / math.sqrt(30), rel=1e-4)
    assert measure.low + measure.high == pytest.approx(2 * measure.value)
    assert measure.n == 30
    assert measure.details["per_dimension"] == pytest.approx(measure.value / 3)
    assert measure.details["elbo"] == pytest.approx(measure.value, abs=1e-4)
    ess = measure.details["effective_sample_size"]
    assert ess["mean"] == pytest.approx(60, rel=1e-3)
    assert ess["minimum"] == pytest.approx(60, rel=1e-3)
    assert (measure.details["samples"], measure.details["tuples"]) == (60, 30)


def test_another_proposal_gives_the_exact_likelihood_in_the_limit():
    method = Linear(width=2.0)
    measure = evaluate("likelihood", context(method), samples=4000)["log_likelihood"]
    assert measure.value == pytest.approx(method.exact(context(method)).mean().item(), abs=0.02)
    # E log w − log p(X) = −KL(q || posterior) = −½ (4 − 1 − log 4);  ESS / K = √7 / 4.
    assert measure.details["elbo"] == pytest.approx(measure.value - 0.5 * (3 - math.log(4)), abs=0.02)
    assert measure.details["effective_sample_size"]["mean"] == pytest.approx(4000 * math.sqrt(7) / 4, rel=0.02)


def test_each_column_of_weights_belongs_to_its_tuple():
    method = Linear()
    log_weights = importance_log_weights(context(method, batch_size=500), LikelihoodSettings(samples=120))
    assert log_weights.shape == (120, 30)
    assert log_weights.dtype == torch.float64
    exact = method.exact(context(method))
    assert exact.std() > 0.5
    torch.testing.assert_close(log_weights, exact.expand(120, -1), atol=2e-3, rtol=0)


def test_only_some_of_many_tuples_are_used():
    method = Linear()
    measure = evaluate("likelihood", context(method, batch_size=12), tuples=11, samples=3)["log_likelihood"]
    assert measure.n == 11
    assert measure.value == pytest.approx(method.exact(context(method))[:11].mean().item(), abs=1e-4)


def test_one_tuple_has_no_interval():
    measure = evaluate("likelihood", context(Linear(), rows=1), samples=3)["log_likelihood"]
    assert (measure.low, measure.high, measure.interval) == (None, None, None)


def test_an_energy_prior_is_normalised_by_its_log_z():
    method = energy_model(0.5)
    measures = evaluate("likelihood", context(method), samples=10, partition_samples=200_000)
    measure, partition = measures["log_likelihood"], measures["log_partition_ess"]
    # The standard error of log Z is √((e^{c²} − 1) / n) = 0.0012.
    assert measure.value == pytest.approx(method.exact(context(method)).mean().item(), abs=0.006)
    assert measure.details["elbo"] == pytest.approx(measure.value, abs=1e-3)
    assert measure.details["log_partition"] == pytest.approx(0.125, abs=0.006)
    assert measure.details["log_partition_ess"] == partition.value
    assert partition.value == pytest.approx(200_000 * math.exp(-0.25), rel=0.02)
    assert partition.details["standard_error"] == pytest.approx(math.sqrt(math.expm1(0.25) / 200_000), rel=0.05)


def test_a_log_z_that_hangs_on_few_samples_is_refused():
    measures = evaluate("likelihood", context(energy_model(6.0)), partition_samples=10_000)
    partition = measures["log_partition_ess"]
    assert 1 <= partition.value < 100
    assert f"{partition.value:.1f} of 10000 samples" in measures["log_likelihood"]
    assert partition.details["log_partition"] < 18  # |c|²/2, which these samples cannot find


@pytest.mark.parametrize("c", [math.nan, -math.inf])
def test_energies_that_are_not_finite_are_an_error(c):
    with pytest.raises(FloatingPointError, match="energies"):
        evaluate("likelihood", context(energy_model(c)), partition_samples=1000)


def test_weights_that_are_not_finite_are_an_error():
    class Broken(Linear):
        def decode(self, latents, modalities):
            return {name: x * math.nan for name, x in super().decode(latents, modalities).items()}

    with pytest.raises(FloatingPointError, match="importance weights"):
        evaluate("likelihood", context(Broken()), samples=3)


def test_a_posterior_without_density_is_named():
    data = image_data()
    assert reason("likelihood", oracle.context(oracle.Oracle(data), data)).startswith("Oracle gives no density")
    with pytest.raises(NotImplementedError, match="Oracle gives no density"):
        oracle.Oracle(data).propose({}, 1, None)


@pytest.mark.parametrize("name", METHODS)
def test_more_samples_tighten_the_bound(name):
    """log mean w_k ≥ mean log w_k, and the mean over K = 64 is above that of K = 1 by far."""
    measures = evaluate(
        "likelihood",
        oracle.context(make_method(name).eval(), image_data(), samples=8, batch_size=100),
        samples=64,
        partition_samples=1000,
    )
    measure = measures["log_likelihood"]
    assert measure.value > measure.details["elbo"]
    assert 1 <= measure.details["effective_sample_size"]["minimum"] <= 64
    assert ("log_partition_ess" in measures) == name.startswith("ebm")
    json.dumps({key: dataclasses.asdict(value) for key, value in measures.items()}, allow_nan=False)


def test_one_seed_gives_one_number():
    values = [evaluate("likelihood", context(Linear(width=2.0)), samples=20)["log_likelihood"].value for _ in range(2)]
    assert values[0] == values[1]
