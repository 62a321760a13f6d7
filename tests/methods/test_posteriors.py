import math
from collections import Counter

import pytest
import torch

from methods.distributions import Laplace, Normal, kl_normal
from methods.objectives import dreg, iwae
from methods.posteriors import (
    EXPERTS,
    append,
    every_expert,
    laplace_softmax,
    mixture_log_prob,
    one_expert_per_row,
    power_set,
    product,
    select,
    stack,
)


def experts(m=3, b=6, d=4):
    return stack([Laplace(torch.randn(b, d), torch.rand(b, d) + 0.2) for _ in range(m)])


def test_softmax_scales_have_mean_one():
    q = laplace_softmax(torch.zeros(5, 7), 10 * torch.randn(5, 7))
    torch.testing.assert_close(q.scale.mean(-1), torch.full((5,), 1 + 1e-6))


@pytest.mark.parametrize("name", EXPERTS)
def test_scales_are_positive_and_finite_for_extreme_inputs(name):
    scale = EXPERTS[name](torch.zeros(3), torch.tensor([-1e4, 0.0, 1e4])).scale
    assert (scale > 0).all()
    assert scale.isfinite().all() or name == "normal-softplus"


def test_mixture_of_identical_experts_is_that_expert():
    one = Laplace(torch.randn(6, 4), torch.rand(6, 4) + 0.2)
    z = torch.randn(2, 3, 6, 4)
    torch.testing.assert_close(mixture_log_prob(stack([one, one, one]), z), one.log_prob(z).sum(-1))


def test_mixture_density_is_the_average_of_the_densities():
    q, z = experts(), torch.randn(2, 3, 6, 4)
    densities = [Laplace(q.loc[m], q.scale[m]).log_prob(z).sum(-1).exp() for m in range(3)]
    torch.testing.assert_close(mixture_log_prob(q, z).exp(), sum(densities) / 3)


def test_kl_of_the_mixture_is_below_the_mean_kl():
    """KL(1/M Σ q_m || p) ≤ 1/M Σ KL(q_m || p), by convexity."""
    q = experts(b=1)
    p = Laplace(torch.zeros(4), torch.ones(4))
    z = select(q, every_expert(3, 1, torch.device("cpu"))).rsample(torch.Generator().manual_seed(0), (20_000,))
    mixture = (mixture_log_prob(q, z) - p.log_prob(z).sum(-1)).mean()
    single = (q.log_prob(z).sum(-1) - p.log_prob(z).sum(-1)).mean()
    assert mixture < single


def test_one_expert_per_row_takes_equal_shares():
    index = one_expert_per_row(5, 256, torch.Generator().manual_seed(0))
    assert index.shape == (1, 256)
    assert sorted(Counter(index[0].tolist()).values()) == [51, 51, 51, 51, 52]


def test_one_expert_per_row_is_unbiased_for_fewer_rows_than_experts():
    generator = torch.Generator().manual_seed(0)
    counts = Counter(i for _ in range(5000) for i in one_expert_per_row(5, 2, generator)[0].tolist())
    assert len(counts) == 5
    for count in counts.values():
        assert count == pytest.approx(2000, abs=4 * math.sqrt(5000 * 0.4 * 0.6))


def test_select_takes_each_row_from_its_expert():
    q = experts(m=3, b=4)
    index = torch.tensor([[2, 0, 1, 0]])
    chosen = select(q, index)
    for row, m in enumerate(index[0].tolist()):
        assert torch.equal(chosen.loc[0, row], q.loc[m, row])
        assert torch.equal(chosen.scale[0, row], q.scale[m, row])


def test_bounds_coincide_for_one_sample():
    lw = torch.randn(1, 3, 5)
    torch.testing.assert_close(iwae(lw), lw[0])
    torch.testing.assert_close(dreg(lw, []), lw[0])


def test_bounds_of_equal_weights_are_that_weight():
    lw = torch.randn(1, 3, 5).expand(7, 3, 5)
    torch.testing.assert_close(iwae(lw), lw[0])
    torch.testing.assert_close(dreg(lw, []), lw[0])


def test_iwae_is_above_the_elbo():
    lw = torch.randn(7, 3, 5)
    assert (iwae(lw) >= lw.mean(0)).all()


def test_dreg_gradient_is_the_doubly_reparameterised_one():
    """∂/∂φ = Σ_k v_k² ∂lw_k/∂z_k ∂z_k/∂φ with q's own density held constant (Tucker et al. 2019, eq. 8)."""
    mu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    eps = torch.randn(6, 1, 1, 1, dtype=torch.float64)

    def log_weight(z, centre):
        return (-(z**2) / 2 - (1.5 - z) ** 2 / 2 + (z - centre) ** 2 / 2).sum(-1)

    z = mu + eps
    dreg(log_weight(z, mu.detach()), [z]).sum().backward()
    z_k = (mu.detach() + eps).requires_grad_()
    lw = log_weight(z_k, mu.detach())
    (slope,) = torch.autograd.grad(lw.sum(), z_k)
    v = torch.softmax(lw, 0)
    torch.testing.assert_close(mu.grad, (v**2 * slope[..., 0]).sum().detach())


def normals(*pairs):
    return Normal(torch.tensor([[[m]] for m, _ in pairs]), torch.tensor([[[math.sqrt(v)]] for _, v in pairs]))


def test_product_adds_precisions():
    q = product(normals((2.0, 1.0), (-1.0, 0.5)), torch.ones(1, 2))
    assert q.loc.item() == pytest.approx(0.0, abs=1e-6)
    assert q.scale.item() ** 2 == pytest.approx(1 / 3)
    prior = Normal(torch.zeros(1), torch.ones(1))
    q = product(append(normals((2.0, 1.0), (-1.0, 0.5)), prior), torch.ones(1, 3))
    assert q.scale.item() ** 2 == pytest.approx(1 / 4)


def test_product_does_not_depend_on_the_order():
    q = Normal(torch.randn(3, 4, 2), torch.rand(3, 4, 2) + 0.1)
    p = Normal(q.loc[[2, 0, 1]], q.scale[[2, 0, 1]])
    a, b = product(q, torch.ones(1, 3)), product(p, torch.ones(1, 3))
    torch.testing.assert_close(a.loc, b.loc)
    torch.testing.assert_close(a.scale, b.scale)


def test_a_broad_expert_is_ignored_and_a_sharp_one_wins():
    q = product(normals((0.5, 1.0), (7.0, math.exp(30))), torch.ones(1, 2))
    assert (q.loc.item(), q.scale.item()) == pytest.approx((0.5, 1.0))
    q = product(normals((0.5, 1.0), (7.0, math.exp(-30))), torch.ones(1, 2))
    assert q.loc.item() == pytest.approx(7.0)


def test_geometric_mean_leaves_a_constant():
    """Σ_k π_k log q_k(z) − log p_f(z) is the same for every z."""
    q = Normal(torch.randn(4, 1, 1), torch.rand(4, 1, 1) + 0.3)
    mean = product(q, torch.full((1, 4), 0.25))
    z = torch.linspace(-3, 3, 20)
    gap = q.log_prob(z).mean(0) - mean.log_prob(z)[0]
    torch.testing.assert_close(gap, gap[:, :1].expand_as(gap))


def test_power_set():
    subsets = power_set(5)
    assert subsets.shape == (31, 5)
    assert len({tuple(row) for row in subsets.tolist()}) == 31
    assert subsets.sum(1).min() == 1
    assert subsets[-1].sum() == 5


def test_kl_of_normals_is_the_closed_form():
    q = Normal(torch.randn(6, 3), torch.rand(6, 3) + 0.1)
    p = Normal(torch.randn(6, 3), torch.rand(6, 3) + 0.1)
    reference = torch.distributions.kl_divergence(
        torch.distributions.Normal(q.loc, q.scale), torch.distributions.Normal(p.loc, p.scale)
    )
    torch.testing.assert_close(kl_normal(q, p), reference.sum(-1))


def test_encoders_that_know_nothing_have_the_known_kl():
    """All experts N(0, I) and the prior expert: KL = D/2 (1/(M+1) − 1 + log(M+1))."""
    m, d = 5, 8
    prior = Normal(torch.zeros(d), torch.ones(d))
    q = product(append(Normal(torch.zeros(m, 2, d), torch.ones(m, 2, d)), prior), torch.ones(1, m + 1))
    expected = d / 2 * (1 / (m + 1) - 1 + math.log(m + 1))
    torch.testing.assert_close(kl_normal(q, prior), torch.full((1, 2), expected))
