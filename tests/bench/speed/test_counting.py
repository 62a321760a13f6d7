import torch
from torch import nn

from bench.speed.counting import Tally


def test_operations_of_a_linear_layer():
    layer, x = nn.Linear(50, 20), torch.randn(8, 50)
    with Tally() as forward:
        y = layer(x)
    with Tally() as backward:
        y.sum().backward()
    assert forward.flops == 2 * 8 * 50 * 20
    assert backward.flops == 2 * 8 * 50 * 20  # of the weight alone: x has no gradient


def test_operations_of_convolutions_count_every_pass():
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    down, up = nn.Conv2d(3, 5, 3, padding=1), nn.ConvTranspose2d(5, 3, 2, stride=2)
    with Tally() as tallied:
        up(down(x)).sum().backward()
    assert tallied.flops == 3 * 2 * (2 * 64 * 27 * 5 + 2 * 64 * 5 * 3 * 4)


def test_peak_bytes_are_those_alive_at_once():
    x = torch.zeros(1000)
    with Tally([x]) as one_at_a_time:
        for _ in range(5):
            x + 1
        x.add_(1)
    with Tally([x]) as all_at_once:
        kept = [x + 1 for _ in range(5)]
    with Tally([x]) as chained:
        (x + 1).exp().sum()
    assert one_at_a_time.peak == 4000
    assert all_at_once.peak == 20_000
    assert len(kept) == 5
    assert chained.peak == 8000


def test_what_a_backward_pass_keeps_counts():
    x = torch.zeros(1000, requires_grad=True)
    with Tally([x]) as tallied:
        y = x.exp().exp().exp().sum()
    assert tallied.peak >= 3 * 4000
    del y
