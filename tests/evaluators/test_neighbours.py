"""Nearest neighbours of points on a line, and of points that are equal."""

import pytest
import torch

from evaluators import neighbours
from evaluators.neighbours import nearest, radii


def test_radii_of_points_on_a_line():
    x = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    first, third = radii(x, (1, 3))
    assert first.tolist() == [1, 1, 2, 4]
    assert third.tolist() == [7, 6, 4, 7]
    with pytest.raises(ValueError, match="4 points have no 4-th nearest neighbour"):
        radii(x, (3, 4))


def test_another_copy_of_a_point_is_its_nearest_neighbour():
    x = torch.randn(60, 128, generator=torch.Generator().manual_seed(0)) + 1000
    x[30:] = x[0]
    assert radii(x, (5,))[0][30:].tolist() == [0] * 30
    assert nearest(x[:30], x).tolist() == [0] * 30


def test_parts_of_a_matrix_are_the_whole(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(50, 3, generator=generator), torch.randn(40, 3, generator=generator)
    whole = nearest(x, y), *radii(x, (3, 5))
    monkeypatch.setattr(neighbours, "ROWS", 7)
    for one, other in zip(whole, (nearest(x, y), *radii(x, (3, 5))), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(whole[0], (x[:, None] - y).double().norm(dim=-1).min(1).values, rtol=1e-5, atol=1e-6)
