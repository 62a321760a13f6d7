import pytest
import torch

from bench.speed import scaling, timing
from bench.speed.scaling import exponent, exponents, measure_scaling, repeated
from bench.speed.tables import print_scaling
from tests.toy import HETERO_MODALITIES, image_modalities

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)


def measured(monkeypatch, axes, methods=("mmvae", "ebm-generalized")):
    monkeypatch.setattr(scaling, "AXES", axes)
    monkeypatch.setattr(scaling, "TRAINING_ROWS", 64)
    settings = ["trainer.batch_size=16"]
    return measure_scaling(methods, "polymnist", "smoke", settings, None, image_modalities(5), CPU, rounds=2)


def test_a_step_with_one_expert_per_row_is_linear_in_modalities(monkeypatch):
    points = measured(monkeypatch, {"modalities": (2, 4, 8)}, ["mmvae", "mvtcae", "moe-elbo"])
    assert [(point["axis"], point["size"]) for point in points[::3]] == [("modalities", m) for m in (2, 4, 8)]
    fits = exponents(points)
    assert [fit["method"] for fit in fits] == ["mmvae", "mvtcae", "moe-elbo"]
    for fit in fits:
        assert fit["flops"] == pytest.approx(1.0, abs=0.02)
        assert fit["peak_bytes"] == pytest.approx(1.0, abs=0.05)
    for point in points:
        assert 0 < point["seconds_low"] <= point["seconds"] <= point["seconds_high"]


def test_chains_are_an_axis_of_methods_that_have_them_and_cost_no_memory(monkeypatch):
    points = measured(monkeypatch, {"Langevin steps": (2, 8)})
    assert [(point["method"], point["size"]) for point in points] == [("ebm-generalized", 2), ("ebm-generalized", 8)]
    assert points[0]["peak_bytes"] == points[1]["peak_bytes"]


def test_a_step_costs_the_same_memory_among_more_tuples(monkeypatch):
    few, many = measured(monkeypatch, {"tuples": (64, 640)}, ["mmvae"])
    assert many["peak_bytes"] == few["peak_bytes"]
    assert many["data_bytes"] == 10 * few["data_bytes"] == 10 * 64 * 5 * 2352


def test_decoders_grow_with_the_latent(monkeypatch):
    small, large = measured(monkeypatch, {"latent size": (8, 512)}, ["ebm-generalized"])
    assert large["peak_bytes"] > small["peak_bytes"]


def test_what_is_beyond_the_machine_is_a_point_without_costs(monkeypatch, capsys):
    step = scaling.measure_point

    def full(config, data, rounds):
        if config.method == "mopoe" and len(data.modalities) == 4:
            raise RuntimeError("[enforce fail] can't allocate memory\nand more")
        return step(config, data, rounds)

    monkeypatch.setattr(scaling, "measure_point", full)
    points = measured(monkeypatch, {"modalities": (2, 4)}, ["mmvae", "mopoe"])
    assert points[-1] == {
        "method": "mopoe",
        "axis": "modalities",
        "size": 4,
        "failed": "[enforce fail] can't allocate memory",
    }
    print_scaling({"points": points, "exponents": exponents(points)})
    out = capsys.readouterr().out
    assert "Milliseconds of a step, by modalities" in out
    assert "mopoe, modalities 4: beyond this machine ([enforce fail] can't allocate memory)" in out


def test_exponents_are_of_power_laws():
    points = [{"size": n, "seconds": 3.0 * n**2, "peak_bytes": 7.0 * n**0.5} for n in (2, 5, 10)]
    assert exponent(points, "seconds") == pytest.approx(2.0)
    assert exponent(points, "peak_bytes") == pytest.approx(0.5)
    assert exponent(points[:1], "seconds") is None


def test_modalities_are_repeated_under_other_names():
    assert repeated(HETERO_MODALITIES, 2) == HETERO_MODALITIES[:2]
    several = repeated(HETERO_MODALITIES, 7)
    assert several[:3] == HETERO_MODALITIES
    assert len({m.name for m in several}) == 7
    assert [m.kind for m in several] == ["image", "image", "text", "image", "image", "text", "image"]
