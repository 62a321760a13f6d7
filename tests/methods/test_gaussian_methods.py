"""MVAE, mmJSD, MoPoE, MVTCAE and moe-elbo on two scalar modalities, against the formulas worked out by hand."""

import math

import pytest
import torch
from torch import nn

from methods.base import Streams
from methods.distributions import Normal
from methods.gaussian import GaussianConfig
from methods.mmjsd import MMJSD, MMJSDConfig
from methods.modality import ImageModality
from methods.moe_elbo import MoEELBO
from methods.mopoe import MoPoE, MoPoEConfig
from methods.mvae import MVAE, MVAEConfig
from methods.mvtcae import MVTCAE, MVTCAEConfig
from methods.networks import NETWORKS, NetworkChoice, Networks

MU, VAR = (2.0, -1.0), (1.0, 0.5)  # of the two experts
X = (0.3, -0.2)
SCALAR = NetworkChoice(image="scalar")
DECODE = ((1.5, 0.1), (-0.5, 0.4))  # location = slope · z + offset


class Constant(nn.Module):
    """An encoder that says the same of every x; the k-th one made speaks for the k-th modality."""

    made = 0

    def __init__(self, modality, w_dim, z_dim):
        super().__init__()
        k = Constant.made % len(MU)
        Constant.made += 1
        self.loc = nn.Parameter(torch.tensor([MU[k]]))
        self.raw = nn.Parameter(torch.tensor([math.log(VAR[k])]))

    def forward(self, x):
        return self.loc.expand(len(x), 1), self.raw.expand(len(x), 1)


class Line(nn.Module):
    made = 0

    def __init__(self, modality, w_dim, z_dim):
        super().__init__()
        self.slope, self.offset = DECODE[Line.made % len(DECODE)]
        Line.made += 1

    def forward(self, u):
        return (self.slope * u + self.offset)[..., None, None]


@pytest.fixture
def scalar(monkeypatch):
    """Makes a method on two modalities of one pixel with known experts, and gives the z that it samples."""
    monkeypatch.setitem(NETWORKS["image"], "scalar", Networks(Constant, Line))
    Constant.made = Line.made = 0
    samples, original = [], Normal.rsample

    def rsample(this, generator=None, shape=()):
        samples.append(original(this, generator, shape))
        return samples[-1]

    monkeypatch.setattr(Normal, "rsample", rsample)

    def make(cls, config, **settings):
        return cls(config(network=SCALAR, latent_dim=1, **settings), [pixel("m0"), pixel("m1")]), samples

    return make


def pixel(name):
    return ImageModality(name, (1, 1, 1))


def batch(rows=1):
    return {name: torch.full((rows, 1, 1, 1), x) for name, x in zip(("m0", "m1"), X, strict=True)}


def nll(m, z):
    """−log Laplace(x_m; slope z + offset, 0.75)."""
    slope, offset = DECODE[m]
    return abs(X[m] - slope * z - offset) / 0.75 + math.log(1.5)


def kl(mu, var, mu_p=0.0, var_p=1.0):
    return 0.5 * (var / var_p + (mu - mu_p) ** 2 / var_p - 1 + math.log(var_p / var))


def poe(*experts):
    """Experts as (mean, variance)."""
    precision = sum(1 / v for _, v in experts)
    return sum(m / v for m, v in experts) / precision, 1 / precision


ONE, TWO, PRIOR = (MU[0], VAR[0]), (MU[1], VAR[1]), (0.0, 1.0)


def test_the_example_of_the_specification():
    assert poe(ONE, TWO) == pytest.approx((0.0, 1 / 3))
    assert poe(ONE, TWO, PRIOR) == pytest.approx((0.0, 1 / 4))
    assert [kl(*ONE), kl(*TWO), kl(*poe(ONE, TWO, PRIOR))] == pytest.approx([2.0, 0.596574, 0.318147], abs=1e-6)


@pytest.mark.parametrize("singletons", [True, False])
def test_mvae(scalar, singletons):
    method, samples = scalar(MVAE, MVAEConfig, beta=2.5, prior_expert_singletons=singletons)
    loss, _ = method.loss(batch(), Streams(0))
    joint, first, second = (z.item() for z in samples[0].flatten())
    alone = [poe(q, PRIOR) if singletons else q for q in (ONE, TWO)]
    expected = nll(0, joint) + nll(1, joint) + 2.5 * kl(*poe(ONE, TWO, PRIOR))
    expected += nll(0, first) + 2.5 * kl(*alone[0]) + nll(1, second) + 2.5 * kl(*alone[1])
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_mvae_adds_the_elbo_of_random_subsets(scalar):
    method, samples = scalar(MVAE, MVAEConfig, beta=1.0, random_subsets=2)
    subsets = method.subsets(Streams(0), torch.device("cpu"))
    assert subsets.shape == (5, 2)
    assert (subsets.sum(1) >= 1).all()
    loss, _ = method.loss(batch(), Streams(0))
    expected = 0.0
    for subset, z in zip(subsets.tolist(), samples[0].flatten().tolist(), strict=True):
        members = [q for inside, q in zip(subset, (ONE, TWO), strict=True) if inside]
        expected += sum(nll(m, z) for m in (0, 1) if subset[m]) + kl(*poe(*members, PRIOR))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_mvae_of_one_modality_counts_its_elbo_twice(monkeypatch, scalar):
    method = MVAE(MVAEConfig(network=SCALAR, latent_dim=1, beta=1.0), [pixel("m0")])
    _, samples = scalar(MVAE, MVAEConfig)
    loss, _ = method.loss({"m0": batch()["m0"]}, Streams(0))
    q = poe(ONE, PRIOR)
    assert q == pytest.approx((1.0, 0.5))
    z = samples[0].flatten().tolist()
    assert loss.item() == pytest.approx(nll(0, z[0]) + nll(0, z[1]) + 2 * kl(*q), rel=1e-5)


@pytest.mark.parametrize("rows", [3, 6])
def test_mopoe(scalar, rows):
    method, samples = scalar(MoPoE, MoPoEConfig, beta=2.5)
    loss, terms = method.loss(batch(rows), Streams(0))
    z = samples[0].flatten().tolist()
    reconstruction = sum(nll(0, value) + nll(1, value) for value in z) / rows
    divergence = (kl(*ONE) + kl(*TWO) + kl(*poe(ONE, TWO, PRIOR))) / 3
    assert divergence == pytest.approx(0.971574, abs=1e-6)
    assert terms["kl"].item() == pytest.approx(divergence, rel=1e-5)
    assert loss.item() == pytest.approx(reconstruction + 2.5 * divergence, rel=1e-5)


def test_mopoe_without_the_prior_expert(scalar):
    method, _ = scalar(MoPoE, MoPoEConfig, prior_expert_full=False)
    _, terms = method.loss(batch(6), Streams(0))
    assert terms["kl"].item() == pytest.approx((kl(*ONE) + kl(*TWO) + kl(*poe(ONE, TWO))) / 3, rel=1e-5)


@pytest.mark.parametrize("sample_prior", [True, False])
def test_mmjsd(scalar, sample_prior):
    method, samples = scalar(MMJSD, MMJSDConfig, beta=2.5, sample_prior=sample_prior)
    loss, terms = method.loss(batch(6), Streams(0))
    precision = (1 / VAR[0] + 1 / VAR[1] + 1) / 3
    mean = (MU[0] / VAR[0] + MU[1] / VAR[1]) / 3 / precision
    divergence = sum(kl(*q, mean, 1 / precision) for q in (ONE, TWO, PRIOR)) / 3
    reconstruction = sum(nll(0, z) + nll(1, z) for z in samples[0].flatten().tolist()) / 6
    assert terms["kl"].item() == pytest.approx(divergence, rel=1e-5)
    assert loss.item() == pytest.approx(reconstruction + 2.5 * divergence, rel=1e-5)


def test_mmjsd_of_one_shifted_expert_is_an_eighth_of_the_squared_shift(monkeypatch, scalar):
    monkeypatch.setattr("tests.methods.test_gaussian_methods.MU", (1.6,))
    monkeypatch.setattr("tests.methods.test_gaussian_methods.VAR", (1.0,))
    scalar(MMJSD, MMJSDConfig)
    Constant.made = Line.made = 0
    method = MMJSD(MMJSDConfig(network=SCALAR, latent_dim=1), [pixel("m0")])
    _, terms = method.loss({"m0": batch()["m0"]}, Streams(0))
    assert terms["kl"].item() == pytest.approx(1.6**2 / 8, rel=1e-5)


@pytest.mark.parametrize("alpha", [5 / 6, 0.0, 1.0])
def test_mvtcae(scalar, alpha):
    method, samples = scalar(MVTCAE, MVTCAEConfig, beta=2.5, alpha=alpha)
    loss, _ = method.loss(batch(), Streams(0))
    q, z = poe(ONE, TWO), samples[0].item()
    experts = kl(*q, *ONE) + kl(*q, *TWO)
    expected = (2 - alpha) / 2 * (nll(0, z) + nll(1, z))
    expected += 2.5 * (alpha / 2 * experts + (1 - alpha) * kl(*q))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_mvtcae_divergence_of_identical_experts(monkeypatch, scalar):
    """KL(q || q_m) = D/2 (1/M − 1 + log M), not D/2 (M − 1 − log M), which swapped arguments would give."""
    monkeypatch.setattr("tests.methods.test_gaussian_methods.MU", (0.7, 0.7))
    monkeypatch.setattr("tests.methods.test_gaussian_methods.VAR", (0.4, 0.4))
    method, _ = scalar(MVTCAE, MVTCAEConfig)
    _, terms = method.loss(batch(), Streams(0))
    assert terms["kl_experts"].item() == pytest.approx(2 * 0.5 * (1 / 2 - 1 + math.log(2)), rel=1e-5)
    assert 8 * 0.5 * (1 / 2 - 1 + math.log(2)) == pytest.approx(0.772589, abs=1e-6)


def test_moe_elbo(scalar):
    method, samples = scalar(MoEELBO, GaussianConfig, beta=2.5)
    loss, _ = method.loss(batch(4), Streams(0))
    reconstruction = sum(nll(0, z) + nll(1, z) for z in samples[0].flatten().tolist()) / 4
    assert loss.item() == pytest.approx(reconstruction + 2.5 * (kl(*ONE) + kl(*TWO)) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("cls", "config", "settings", "given", "expected"),
    [
        (MVAE, MVAEConfig, {}, ["m0", "m1"], poe(ONE, TWO, PRIOR)),
        (MVAE, MVAEConfig, {}, ["m0"], poe(ONE, PRIOR)),
        (MVAE, MVAEConfig, {"prior_expert_singletons": False}, ["m0"], ONE),
        (MoPoE, MoPoEConfig, {}, ["m0", "m1"], poe(ONE, TWO, PRIOR)),
        (MoPoE, MoPoEConfig, {}, ["m1"], TWO),
        (MVTCAE, MVTCAEConfig, {}, ["m0", "m1"], poe(ONE, TWO)),
        (MVTCAE, MVTCAEConfig, {}, ["m1"], TWO),
        (MMJSD, MMJSDConfig, {"conditioning": "dynamic-prior"}, ["m0", "m1"], (0.0, 3 / 4)),
        (MMJSD, MMJSDConfig, {"conditioning": "dynamic-prior"}, ["m0"], ONE),
        (MMJSD, MMJSDConfig, {}, ["m1"], TWO),
        (MoEELBO, GaussianConfig, {}, ["m0"], ONE),
    ],
)
def test_inference_samples_the_right_posterior(scalar, cls, config, settings, given, expected):
    method, _ = scalar(cls, config, **settings)
    rows = 40_000
    z = method.infer({m: batch(rows)[m] for m in given}, given, Streams(0)).z
    mean, variance = expected
    assert z.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(variance / rows))
    assert z.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2 / rows))


@pytest.mark.parametrize(("cls", "config"), [(MMJSD, MMJSDConfig), (MoEELBO, GaussianConfig)])
def test_mixtures_condition_on_several_inputs_in_equal_shares(scalar, cls, config):
    method, _ = scalar(cls, config)
    z = method.infer(batch(40_000), ["m0", "m1"], Streams(0)).z
    assert z.mean().item() == pytest.approx(sum(MU) / 2, abs=0.05)
