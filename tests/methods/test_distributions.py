import math

import pytest
import torch

from methods.distributions import Laplace, Normal


@pytest.mark.parametrize(
    ("ours", "theirs"), [(Laplace, torch.distributions.Laplace), (Normal, torch.distributions.Normal)]
)
def test_log_prob_is_the_density(ours, theirs):
    loc, scale, x = torch.randn(5, dtype=torch.float64), torch.rand(5, dtype=torch.float64) + 0.1, torch.randn(7, 5)
    torch.testing.assert_close(ours(loc, scale).log_prob(x), theirs(loc, scale).log_prob(x))


@pytest.mark.parametrize(("family", "std"), [(Laplace, math.sqrt(2) * 0.5), (Normal, 0.5)])
def test_rsample_has_the_moments_and_the_gradients(family, std):
    loc, scale = torch.tensor([2.0], requires_grad=True), torch.tensor([0.5], requires_grad=True)
    x = family(loc, scale).rsample(torch.Generator().manual_seed(0), (200_000,))
    assert x.mean().item() == pytest.approx(2.0, abs=0.01)
    assert x.std().item() == pytest.approx(std, rel=0.01)
    (d_loc,) = torch.autograd.grad(x.mean(), loc, retain_graph=True)
    assert d_loc.item() == pytest.approx(1.0)
    # E (x − loc)² is proportional to scale²: its derivative is 2 std² / scale.
    (d_scale,) = torch.autograd.grad(((x - 2.0) ** 2).mean(), scale)
    assert d_scale.item() == pytest.approx(2 * std**2 / 0.5, rel=0.03)


def test_laplace_sample_is_finite_where_the_uniform_is_zero(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, **kw: torch.zeros(*size))
    assert Laplace(torch.zeros(3), torch.ones(3)).rsample().isfinite().all()


def test_kl_of_two_laplaces_by_monte_carlo():
    """KL(L(m, b) || L(0, 1)) = |m| + b exp(−|m|/b) − 1 − log b."""
    m, b = 0.7, 0.5
    q, p = Laplace(torch.tensor([m]), torch.tensor([b])), Laplace(torch.zeros(1), torch.ones(1))
    z = q.rsample(torch.Generator().manual_seed(1), (1_000_000,))
    expected = abs(m) + b * math.exp(-abs(m) / b) - 1 - math.log(b)
    assert expected == pytest.approx(0.516446, abs=1e-6)
    assert (q.log_prob(z) - p.log_prob(z)).mean().item() == pytest.approx(expected, abs=3e-3)


@pytest.mark.parametrize("family", [Laplace, Normal])
def test_the_score_is_the_derivative_of_the_log_density(family):
    x = torch.randn(50, 3, requires_grad=True)
    q = family(torch.randn(3), torch.rand(3) + 0.2)
    torch.testing.assert_close(q.score(x), torch.autograd.grad(q.log_prob(x).sum(), x)[0])
