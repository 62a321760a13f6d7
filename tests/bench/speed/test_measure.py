import json
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn

from bench.cli import main
from bench.config.resolve import resolve
from bench.errors import BenchError, UsageError
from bench.speed import measure as speed
from bench.speed.measure import Tally, Times, configurations, in_turns, plain_way, suite, tally
from bench.training.loop import update
from evaluators.base import Context
from methods import METHODS
from methods.base import Streams
from methods.distributions import Laplace, Normal
from methods.naive import plain_loss
from tests.bench.conftest import tiny_config
from tests.conftest import make_batch, make_data, make_method, modalities

CPU = torch.device("cpu")
MIXTURES = ["mmvae", "mmvaeplus", "ebm-base", "ebm-generalized"]


@pytest.fixture
def same_noise(monkeypatch):
    """Every sample is loc + scale · ε with an ε that depends on the dimension alone, in whatever order it is drawn."""

    def rsample(self, generator=None, shape=()):
        eps = torch.linspace(-1.5, 2.0, self.loc.shape[-1])
        return (self.loc + self.scale * eps).expand(*shape, *self.loc.shape)

    for family in (Laplace, Normal):
        monkeypatch.setattr(family, "rsample", rsample)


def loss_and_gradients(method, loss):
    method.zero_grad()
    value = loss(make_batch(7), Streams(3), 0.9)
    value.backward()
    return value.detach(), {name: p.grad.clone() for name, p in method.named_parameters()}


def varied(name, **settings):
    """A method whose experts differ from row to row, with an energy that is not flat."""
    method = make_method(name, network="conv", **settings)
    with torch.no_grad():
        for key, p in method.named_parameters():
            if "loc" in key or "energy" in key:
                p.add_(0.3 * torch.randn_like(p))
    return method


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in METHODS),
        *((name, {"samples": 3}) for name in MIXTURES),
        ("ebm-base", {"prior": {"penalty": 0.1, "start": 0.2, "warmup": 1.0}}),
        ("mvae", {"prior_expert_singletons": False}),
        ("mmjsd", {"sample_prior": True}),
        ("mopoe", {"prior_expert_full": False}),
        ("mvtcae", {"alpha": 0.3, "beta_warmup": 1.0}),
    ],
)
def test_the_plain_way_has_the_same_loss_and_gradient(name, settings, same_noise):
    method = varied(name, **settings)
    value, gradients = loss_and_gradients(method, lambda *arguments: method.loss(*arguments)[0])
    plain_value, plain_gradients = loss_and_gradients(method, lambda *arguments: plain_loss(method, *arguments))
    torch.testing.assert_close(plain_value, value, rtol=1e-5, atol=1e-4)
    for key, gradient in gradients.items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(plain_gradients[key], gradient, rtol=1e-3, atol=1e-4 * scale, msg=key)
    assert sum(gradient.abs().sum() for gradient in gradients.values()) > 0


@pytest.mark.parametrize(("name", "settings"), [("mvae", {"random_subsets": 1}), ("mmvae", {"objective": "dreg"})])
def test_what_has_no_plain_loss_says_so(name, settings):
    with pytest.raises(NotImplementedError, match="no plain loss"):
        plain_loss(make_method(name, **settings), make_batch(4), Streams(0))


def test_the_timed_step_is_the_trainings():
    config = tiny_config("ebm-base")
    timed, trained = (suite(config, modalities(), CPU) for _ in range(2))
    streams, batch = Streams(0), make_batch(4)
    for _ in range(2):
        timed.step(batch)
        update(trained.method, batch, streams, trained.optimiser, 1.0)
    for (name, p), q in zip(timed.method.named_parameters(), trained.method.parameters(), strict=True):
        assert torch.equal(p, q), name


def test_the_plain_step_trains_every_parameter_with_adam_as_torch_has_it():
    candidate = plain_way(tiny_config("ebm-base"), modalities(), CPU)
    before = {name: p.clone() for name, p in candidate.method.named_parameters()}
    for seed in range(2):  # an energy that starts at zero moves its inner layers from the second step on
        candidate.step(make_batch(4, seed=seed))
    assert not [name for name, p in candidate.method.named_parameters() if torch.equal(p, before[name])]
    assert {group["fused"] for group in candidate.optimiser.param_groups} == {None}


# Counting


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


def test_memory_of_a_step_holds_parameters_gradients_and_both_moments():
    config = resolve(["mmvae"], "toy", "random", "smoke", ["trainer.amsgrad=false"])[0]
    candidate = suite(config, modalities(), CPU)
    flops, held = {}, {}
    for rows in (4, 64):
        candidate.step(make_batch(rows))
        flops[rows], held[rows] = tally(candidate, make_batch(rows))
    parameters = sum(p.numel() * 4 for p in candidate.method.parameters())
    assert 4 * parameters < held[4] < 4.5 * parameters
    assert held[64] > held[4] + 60 * 3 * 2352 * 4
    assert flops[64] == 16 * flops[4]


# Timing


def test_candidates_are_timed_in_turns(monkeypatch):
    monkeypatch.setattr(speed, "BLOCK_SECONDS", 0.0)
    order = []
    seconds = in_turns({name: lambda name=name: order.append(name) for name in "ab"}, CPU, rounds=3, warm_up=1)
    assert order == ["a", "b", "a", "b", *"ababab"]
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_times_are_median_and_quartiles():
    assert Times.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Times(3.0, 2.0, 4.0)


# Configurations


def test_latent_is_the_size_of_the_decoders_input():
    one, two = configurations(["mopoe", "mmvaeplus"], "polymnist", "quick", ["network=conv"], 64)
    assert one.model.latent_dim == 64
    assert (two.model.latent_dim, two.model.private_dim) == (32, 32)
    assert {one.model.network, two.model.network} == {"conv"}
    (as_preset,) = configurations(["mmvaeplus"], "polymnist", "quick", [], None)
    assert (as_preset.model.latent_dim, as_preset.model.private_dim) == (16, 16)


@pytest.mark.parametrize(("latent", "match"), [(63, "must be even"), (0, "--latent 0: latent_dim=0: must be ≥ 1")])
def test_an_impossible_latent_is_refused(latent, match):
    with pytest.raises(UsageError, match=match):
        configurations(["mmvaeplus"], "polymnist", "quick", [], latent)


# The command


SETTINGS = ["--preset", "smoke", "--batch-size", "16", "--rounds", "2", "--tuples", "20", "--device", "cpu"]


def test_the_command_measures_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "BLOCK_SECONDS", 0.0)
    file = tmp_path / "speed.json"
    arguments = ["speed", "--methods", "mvae,ebm-generalized", "--dataset", "polymnist", "--json", str(file)]
    arguments += ["--csv", str(tmp_path / "speed.csv")]
    assert main([*arguments, *SETTINGS, "--set", "prior.steps=2"]) == 0
    result = json.loads(file.read_text())
    assert [row["method"] for row in result["methods"]] == ["mvae", "ebm-generalized"]
    assert {"versions", "hardware", "code"} <= set(result)
    for row in result["methods"]:
        assert row["batch_size"] == 16
        for way in ("suite", "plain"):
            step = row["training"][way]
            assert step["seconds_low"] <= step["seconds"] <= step["seconds_high"]
            assert step["samples_per_second"] == pytest.approx(16 / step["seconds"])
            assert step["share_of_matmul_peak"] == pytest.approx(
                step["flops_per_second"] / row["matmul_flops_per_second"]
            )
        assert row["evaluation"]["coherence_seconds"] > 0
    table = pd.read_csv(tmp_path / "speed.csv")
    assert list(zip(table["method"], table["way"])) == [
        (method, way) for method in ("mvae", "ebm-generalized") for way in ("plain", "suite")
    ]
    assert table["seconds"][3] == result["methods"][1]["training"]["suite"]["seconds"]
    assert table["faster_than_plain"][3] == pytest.approx(table["seconds"][2] / table["seconds"][3])
    assert set(table["threads"]) == {result["hardware"]["threads"]}
    # Every expert for every row, where the preset has one: five times the decoding.
    mvae, ebm = (row["training"] for row in result["methods"])
    assert ebm["plain"]["flops"] > 2.5 * ebm["suite"]["flops"]
    assert mvae["plain"]["flops"] > 1.2 * mvae["suite"]["flops"]  # encodes twice
    out = capsys.readouterr().out
    assert all(text in out for text in ("A training step", "Beside the plain way", "Evaluation", "ebm-generalized"))
    assert max(map(len, out.splitlines()[2:])) <= 100


def test_a_method_without_a_plain_loss_is_measured_alone(capsys, monkeypatch):
    monkeypatch.setattr(speed, "BLOCK_SECONDS", 0.0)
    (config,) = configurations(["mvae"], "polymnist", "smoke", ["random_subsets=1"], None)
    result = speed.measure_training(config, modalities(), speed.random_split(modalities(), 512, 10, CPU), 2)
    assert list(result["training"]) == ["suite"]
    assert result["failed"] == {}
    assert result["training"]["suite"]["flops"] > 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--rounds", "1", "--rounds 1: must be 2 or more"),
        ("--tuples", "0", "--tuples 0: must be 1 or more"),
        ("--network", "convv", "did you mean 'conv'"),
        ("--batch-size", "many", "trainer: batch_size: expected int, got 'many'"),
        ("--device", "abacus", "--device abacus"),
        ("--latent", "0", "--latent 0: latent_dim=0"),
    ],
)
def test_impossible_wishes_are_usage_errors(option, value, message, capsys):
    assert main(["speed", "--methods", "mvae", "--dataset", "polymnist", option, value]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "measure", lambda *_: pytest.fail("measured for nothing"))
    (tmp_path / "file").touch()
    arguments = ["speed", "--methods", "mvae", "--dataset", "polymnist", "--json", str(tmp_path / "file" / "x.json")]
    assert main([*arguments, *SETTINGS]) == 1
    assert "cannot write there" in capsys.readouterr().err


def test_what_a_device_cannot_do_is_told(capsys, monkeypatch):
    def broken(*_):
        raise RuntimeError("no graph here")

    monkeypatch.setattr(speed, "BLOCK_SECONDS", 0.0)
    monkeypatch.setitem(speed.WAYS, "graph", broken)
    monkeypatch.setattr(speed, "ON_CPU", ("suite", "graph"))
    (config,) = configurations(["mopoe"], "polymnist", "smoke", [], None)
    result = speed.measure_training(config, modalities(), speed.random_split(modalities(), 512, 10, CPU), 2)
    assert list(result["training"]) == ["suite"]
    assert result["failed"] == {"graph": "no graph here"}


def test_a_method_that_cannot_be_trained_ends_the_command(monkeypatch):
    def full(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(speed.WAYS, "suite", full)
    (config,) = configurations(["mopoe"], "polymnist", "smoke", [], None)
    with pytest.raises(BenchError, match="mopoe cannot be trained here: out of memory"):
        speed.measure_training(config, modalities(), speed.random_split(modalities(), 512, 10, CPU), 2)


def test_the_protocol_judges_anew_each_time():
    judged = []

    class Judge:
        mean_accuracy = 1.0

        def features(self, images):
            judged.append(len(images))
            return images

        def classify(self, features):
            return {name: x.flatten(1).argmax(1) % 4 for name, x in features.items()}

    data = make_data(m=3)
    labels = data.test.labels
    context = Context(
        make_method("mmvae").eval(), data.test.items, labels, data.test.items, labels, Judge(), 0, 4, 40, 20
    )
    speed.coherence(context)
    once = len(judged)
    speed.coherence(context)
    assert once == 12  # two batches of: prior, p0, aggregate posterior, and each of three modalities
    assert len(judged) == 2 * once


# Accelerators


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", METHODS)
def test_a_training_step_never_waits_for_the_device(name):
    device = torch.device("cuda")
    config = replace(tiny_config(name))
    candidate = suite(config, modalities(), device)
    split = speed.random_split(modalities(), 64, 4, device)
    rows = torch.randperm(64, device=device)[:16]
    candidate.step(split.batch(rows))
    torch.cuda.set_sync_debug_mode("error")
    try:
        candidate.step(split.batch(rows))
    finally:
        torch.cuda.set_sync_debug_mode("default")
