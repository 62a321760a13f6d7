import math

import pytest
import torch

from methods.priors.langevin import langevin


def test_no_steps_leave_the_start():
    z = torch.randn(10, 3)
    assert torch.equal(langevin(lambda z: -z, z, 0, 0.4, None), z)


def test_one_step_is_the_printed_formula():
    z, score = torch.randn(10, 3), lambda z: -2 * z
    eps = torch.randn(10, 3, generator=torch.Generator().manual_seed(5))
    expected = z + 0.3**2 / 2 * score(z) + 0.3 * eps
    torch.testing.assert_close(langevin(score, z, 1, 0.3, torch.Generator().manual_seed(5)), expected)


def test_steps_add_up():
    z = torch.randn(10, 3)
    one, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    together = langevin(torch.neg, z, 7, 0.4, one)
    assert torch.equal(together, langevin(torch.neg, langevin(torch.neg, z, 3, 0.4, other), 4, 0.4, other))


def test_chains_reach_the_stationary_distribution():
    """Of N(0, 1): variance 1 / (1 − s²/4), mean 0, from far away."""
    n, s = 50_000, 0.5
    z = langevin(torch.neg, torch.full((n, 1), 5.0), 100, s, torch.Generator().manual_seed(0))
    variance = 1 / (1 - s**2 / 4)
    assert z.var().item() == pytest.approx(variance, rel=4 * math.sqrt(2 / n))
    assert z.mean().item() == pytest.approx(0.0, abs=4 * math.sqrt(variance / n))


def test_the_result_is_a_constant():
    z = torch.randn(4, 2, requires_grad=True)
    assert not langevin(torch.neg, z, 2, 0.4, None).requires_grad
