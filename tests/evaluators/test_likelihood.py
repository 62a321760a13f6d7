"""The importance-sampled likelihood of a model whose likelihood is known, and of small untrained ones."""

import dataclasses
import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bench.datasets.base import Split
from evaluators.likelihood import LikelihoodSettings, LogLikelihood, importance_log_weights
from methods import METHODS
from methods.base import Latents, Method
from methods.distributions import Normal
from methods.modality import ImageModality
from methods.priors.energy import EnergyPrior, EnergyPriorConfig
from methods.priors.factorised import NormalPrior, NormalPriorConfig
from tests.conftest import make_method
from tests.evaluators import oracle
from tests.evaluators.oracle import NoClassifiers, evaluate
from tests.toy import HETERO_MODALITIES, hetero_data, image_data

SPEC = (
    ImageModality("m0", (1, 1, 1), likelihood="normal", scale=0.1, weight=3.0),
    ImageModality("m1", (1, 1, 2), likelihood="normal", scale=0.5, weight=0.2),
)
SLOPE = torch.tensor([1.5, -0.7, 0.4])
VARIANCE = torch.tensor([0.01, 0.25, 0.25])


def flat(batch):
    """Items as rows [B, 3]."""
    return torch.cat([x.flatten(1) for x in batch.values()], 1)


class Linear(Method):
    """p(z) = N(shift, 1), x = a z + noise. It proposes from the exact posterior, `width` times as wide."""

    def __init__(self, width=1.0, prior=None, shift=0.0):
        super().__init__(None, SPEC)
        self.width, self.shift = width, shift
        self.prior = prior or NormalPrior(NormalPriorConfig(), 1)
        self.anchor = nn.Parameter(torch.zeros(()))  # a method is where its parameters are

    def loss(self, batch, streams, progress=1.0):
        raise NotImplementedError

    def infer(self, batch, given, streams):
        raise NotImplementedError

    def propose(self, batch, samples, streams):
        x = flat(batch)
        precision = 1 + (SLOPE**2 / VARIANCE).sum()
        mean = (self.shift + x @ (SLOPE / VARIANCE)[:, None]) / precision  # [B, 1]
        q = Normal(mean, self.width * precision.rsqrt().expand_as(mean))
        z = q.rsample(streams.noise, (samples,))
        return Latents(z.flatten(0, 1)), q.log_prob(z).sum(-1)

    def decode(self, latents, modalities):
        x = latents.z * SLOPE
        parts = {"m0": x[:, :1], "m1": x[:, 1:]}
        return {name: parts[name][:, None, None] for name in modalities}

    def exact(self, context):
        """log p(X) of each held-out tuple, in the evaluation's order: [N]."""
        x = torch.cat([flat(batch) for batch in context.batches()]).double()
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
    split = Split({m.name: m.random_items(rows, generator) for m in SPEC}, {}, SPEC)
    data = SimpleNamespace(train=split, test=split, attributes={}, modalities=SPEC)
    return oracle.context(method, data, 1000, NoClassifiers(), batch_size)


def log_likelihood(context, **settings):
    return evaluate("likelihood", context, **settings)


def energy_model(c, width=1.0):
    prior = EnergyPrior(EnergyPriorConfig(), 1)
    prior.network = LinearEnergy(c)
    return Linear(width, prior, shift=-c)


@pytest.mark.parametrize("batch_size", [7, 200, 1000])
def test_the_exact_posterior_gives_the_exact_likelihood(batch_size):
    """Every weight is p(X), whatever K is and however tuples and samples share the calls of the decoders."""
    method = Linear()
    measure = log_likelihood(context(method, batch_size=batch_size), samples=60)["log_likelihood"]
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
    measure = log_likelihood(context(method), samples=4000)["log_likelihood"]
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
    measure = log_likelihood(context(method, batch_size=12), tuples=11, samples=3)["log_likelihood"]
    assert measure.n == 11
    assert measure.value == pytest.approx(method.exact(context(method))[:11].mean().item(), abs=1e-4)


def test_one_tuple_has_no_interval():
    measure = log_likelihood(context(Linear(), rows=1), samples=3)["log_likelihood"]
    assert (measure.low, measure.high, measure.interval) == (None, None, None)


def test_an_energy_prior_is_normalised_by_its_log_z():
    method = energy_model(0.5)
    measures = log_likelihood(context(method), samples=10, partition_samples=200_000)
    measure, partition = measures["log_likelihood"], measures["log_partition_ess"]
    # The standard error of log Z is √((e^{c²} − 1) / n) = 0.0012.
    assert measure.value == pytest.approx(method.exact(context(method)).mean().item(), abs=0.006)
    assert measure.details["elbo"] == pytest.approx(measure.value, abs=1e-3)
    assert measure.details["log_partition"] == pytest.approx(0.125, abs=0.006)
    assert measure.details["log_partition_ess"] == partition.value
    assert partition.value == pytest.approx(200_000 * math.exp(-0.25), rel=0.02)
    assert partition.details["standard_error"] == pytest.approx(math.sqrt(math.expm1(0.25) / 200_000), rel=0.05)
    assert partition.details["minimum"] == 100


def test_a_log_z_that_hangs_on_few_samples_is_refused():
    measures = log_likelihood(context(energy_model(6.0)), partition_samples=10_000)
    assert set(measures) == {"log_likelihood", "log_partition_ess"}
    partition = measures["log_partition_ess"]
    assert 1 <= partition.value < 100
    assert f"{partition.value:.1f} of 10000 samples" in measures["log_likelihood"]
    assert "below the 100 that" in measures["log_likelihood"]
    assert partition.details["log_partition"] < 18  # |c|²/2, which these samples cannot find
    assert "standard_error" not in partition.details


def test_how_much_log_z_is_trusted_is_a_setting():
    model = energy_model(2.0)
    few = log_likelihood(context(model), samples=3, partition_samples=5000, minimum_ess=4999)
    assert isinstance(few["log_likelihood"], str)
    enough = log_likelihood(context(model), samples=3, partition_samples=5000, minimum_ess=1)
    assert enough["log_likelihood"].details["log_partition_ess"] == few["log_partition_ess"].value


@pytest.mark.parametrize("c", [math.nan, -math.inf])
def test_energies_that_are_not_finite_are_an_error(c):
    with pytest.raises(FloatingPointError, match="energies"):
        log_likelihood(context(energy_model(c)), partition_samples=1000)


def test_weights_that_are_not_finite_are_an_error():
    class Broken(Linear):
        def decode(self, latents, modalities):
            return {name: x * math.nan for name, x in super().decode(latents, modalities).items()}

    with pytest.raises(FloatingPointError, match="importance weights"):
        log_likelihood(context(Broken()), samples=3)


def test_a_posterior_without_density_is_named():
    with pytest.raises(NotImplementedError, match="Oracle gives no density"):
        oracle.Oracle(image_data()).propose({}, 1, None)
    reason = LogLikelihood().applies(oracle.context(oracle.Oracle(image_data()), image_data()))
    assert reason == "Oracle gives no density of its joint posterior"


def test_items_of_several_kinds_need_no_labels():
    """Weights λ are 1 here: captions that count double in training have the same log-likelihood."""
    heavier = [dataclasses.replace(m, weight=2.0) for m in HETERO_MODALITIES]
    values = []
    for modalities in (HETERO_MODALITIES, heavier):
        method = make_method("mvae", modalities=modalities).eval()
        data = hetero_data(labels=False, test=8)
        measure = log_likelihood(oracle.context(method, data, 8, NoClassifiers(), 100), samples=5)["log_likelihood"]
        values.append(measure.value)
        assert measure.details["per_dimension"] == pytest.approx(measure.value / (3 * 28 * 28 + 32 * 32 + 6))
    assert values[0] == values[1]


@pytest.mark.parametrize(
    "bad", [{"tuples": 0}, {"samples": 0}, {"partition_samples": 0}, {"minimum_ess": 0.5}], ids=str
)
def test_settings_out_of_range_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}=.*: must be ≥ 1"):
        LikelihoodSettings(**bad)


@pytest.mark.parametrize("name", METHODS)
def test_more_samples_tighten_the_bound(name):
    """log mean w_k ≥ mean log w_k, and the mean over K = 64 is above that of K = 1 by far."""
    measures = log_likelihood(
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
    values = [log_likelihood(context(Linear(width=2.0)), samples=20)["log_likelihood"].value for _ in range(2)]
    assert values[0] == values[1]
