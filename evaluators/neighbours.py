"""Distances between two sets of points, and to nearest neighbours, without ever holding a whole matrix of many rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 200  # of a matrix of distances, at once
ROUNDING = 1e-6  # of the largest norm: points that are closer are one point


def distances(x: Tensor, y: Tensor) -> Iterator[Tensor]:
    """|x_i − y_j| for x [N, F] and y [K, F], some rows of x after others: parts of [N, K], in float64."""
    x, y = x.double(), y.double()
    # Large matrices of distances are computed as |x|² + |y|² − 2 x·y, which is not 0 for equal points.
    rounding = ROUNDING * max(x.norm(dim=1).max().item(), y.norm(dim=1).max().item())
    for part in x.split(ROWS):
        yield F.threshold(torch.cdist(part, y), rounding, 0.0)


def radii(x: Tensor, ks: tuple[int, ...]) -> list[Tensor]:
    """Distance of each point of x [N, F] to its k-th nearest other point, for each k of `ks`: [N] each.

    Raises ValueError unless there are more points than each k.
    """
    if len(x) <= max(ks):
        raise ValueError(f"{len(x)} points have no {max(ks)}-th nearest neighbour: more than {max(ks)} are needed")
    # The nearest of all points is the point itself, at distance 0.
    nearest = torch.cat([part.topk(max(ks) + 1, largest=False).values for part in distances(x, x)])
    return [nearest[:, k] for k in ks]


def nearest(x: Tensor, y: Tensor) -> Tensor:
    """Distance of each point of x [N, F] to the nearest point of y [K, F]: [N], in float64, 0 for a copy."""
    return torch.cat([part.min(1).values for part in distances(x, y)])
