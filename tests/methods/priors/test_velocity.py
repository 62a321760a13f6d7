"""What diffusion and flow matching share."""

import pytest
import torch

from methods.networks.latent import AveragedNetwork, VelocityNetwork
from methods.priors.velocity import heun, log_density, with_divergence


def network(dim=4):
    torch.manual_seed(0)
    made = VelocityNetwork(dim, width=16, blocks=2, features=8)
    torch.nn.init.normal_(made.last.weight)
    return made


def test_the_velocity_starts_at_zero_and_knows_the_time():
    z = torch.randn(5, 4)
    assert VelocityNetwork(4, 16, 2, 8)(z, torch.rand(5)).eq(0).all()
    assert not torch.allclose(network()(z, torch.zeros(5)), network()(z, torch.ones(5)))


def test_the_divergence_is_the_trace_of_the_jacobian():
    field, z, t = network(), torch.randn(5, 4), torch.rand(5)
    with torch.no_grad():
        v, divergence = with_divergence(field, z, t)
    torch.testing.assert_close(v, field(z, t))
    for row in range(5):
        jacobian = torch.autograd.functional.jacobian(lambda x, row=row: field(x[None], t[[row]])[0], z[row])
        torch.testing.assert_close(divergence[row], jacobian.trace())


def test_heun_is_of_second_order():
    times = [torch.linspace(0, 1, n + 1) for n in (10, 20)]
    z = torch.ones(1, 1)
    errors = [(heun(lambda z, t: -2 * z, z, grid) - torch.exp(torch.tensor(-2.0))).abs().item() for grid in times]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.15)


def test_many_rows_are_computed_in_parts(monkeypatch):
    field, z = network(), torch.randn(3, 7, 4)
    times = torch.linspace(0, 1, 4)
    whole = log_density(field, z, times)
    monkeypatch.setattr("methods.priors.velocity.CHUNK", 5)
    torch.testing.assert_close(log_density(field, z, times), whole)


def test_the_average_follows_the_parameters():
    averaged, z = AveragedNetwork(torch.nn.Linear(1, 1, bias=False), rate=0.25), torch.ones(1, 1)
    values, expected = [1.0, 2.0, 5.0, 5.0, 5.0], averaged.average.item()
    for n, value in enumerate(values * 20):
        torch.nn.init.constant_(averaged.network.weight, value)
        averaged.update()
        rate = max(0.25, 9 / (10 + n))
        expected += rate * (value - expected)
        assert averaged.averaged(z).item() == pytest.approx(expected, rel=1e-4)
    assert averaged(z).item() == 5.0
    assert set(averaged.state_dict()) == {"network.weight", "average", "updates"}
