import pytest
import torch

from bench.errors import BenchError
from bench.speed import scaling, timing
from bench.speed.apart import apart
from bench.speed.growth import data_point
from bench.speed.plot import save_plot
from bench.speed.scaling import Question, exponent, exponents, foreseen, measure_scaling, repeated
from bench.speed.tables import print_scaling
from tests.toy import HETERO_MODALITIES, image_modalities

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)


def asked(methods=("mmvae", "ebm-generalized"), tuples=6):
    settings = ["trainer.batch_size=16"]
    return Question(methods, "polymnist", "smoke", settings, None, image_modalities(5), CPU, rounds=2, tuples=tuples)


def measured(monkeypatch, axes, methods=("mmvae", "ebm-generalized"), part="step"):
    monkeypatch.setattr(scaling, "AXES", {"tuples": (64,), **axes})
    monkeypatch.setattr(scaling, "PARTS", {"step": (), "evaluation": (), "data": (), part: tuple(axes)})
    monkeypatch.setattr(scaling, "TRAINING_ROWS", 64)
    return measure_scaling(asked(methods))


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


def test_what_is_beyond_the_machine_is_a_point_without_costs(monkeypatch, capsys, tmp_path):
    step = scaling.measure_point

    def full(config, data, rounds):
        if config.method == "mopoe" and len(data.modalities) == 4:
            raise RuntimeError("[enforce fail] can't allocate memory\nand more")
        return step(config, data, rounds)

    monkeypatch.setattr(scaling, "measure_point", full)
    points = measured(monkeypatch, {"modalities": (2, 4)}, ["mmvae", "mopoe"])
    assert points[-1] == {
        "part": "step",
        "method": "mopoe",
        "axis": "modalities",
        "size": 4,
        "failed": "[enforce fail] can't allocate memory",
    }
    print_scaling({"points": points, "exponents": exponents(points)})
    save_plot(points, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert "Milliseconds of a step, by modalities" in out
    assert "a step, mopoe, modalities 4: beyond this machine ([enforce fail] can't allocate memory)" in out


@pytest.mark.parametrize("name", ["mvae", "mmvae", "mmvaeplus", "mmjsd", "mvtcae", "mopoe"])
def test_every_method_is_trained_at_a_cost_linear_in_modalities(monkeypatch, name):
    """From ten on, as MoPoE takes all of its subsets before; its products of 32 are a small part of networks."""
    fits = exponents(measured(monkeypatch, {"modalities": (10, 20)}, [name]))
    assert fits[0]["flops"] == pytest.approx(1.0, abs=0.05)
    assert fits[0]["peak_bytes"] == pytest.approx(1.0, abs=0.1)


def test_an_evaluation_is_measured_in_a_process_of_its_own(monkeypatch):
    two, four = measured(monkeypatch, {"modalities": (2, 4)}, ["mvae"], part="evaluation")
    assert four["seconds"] > 0
    assert four["data_bytes"] == 2 * two["data_bytes"] == 4 * 6 * 2352
    assert two["peak_bytes"] > 0


def test_data_are_read_from_files_larger_than_what_is_held(monkeypatch):
    few, many = measured(monkeypatch, {"tuples": (64, 128)}, ["mvae", "mmvae"], part="data")
    assert (few["method"], few["part"]) == ("all", "data")
    assert many["data_bytes"] == 2 * few["data_bytes"]


def test_data_that_the_disk_has_no_room_for_are_beyond_the_machine(monkeypatch):
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("bench.speed.growth.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(BenchError, match=r"files of 0\.\d GiB, where 0\.0 GiB of disk are free"):
        data_point(image_modalities(5), 10_000, 16)


def test_what_is_foreseen_to_be_too_much_is_not_tried(monkeypatch):
    what = {"part": "step", "method": "mvae", "axis": "modalities"}
    points = [{**what, "size": n, "seconds": n**2, "peak_bytes": 10**6 * n} for n in (2, 5)]
    ask = {**what, "size": 100}
    assert foreseen(ask, points[:1]) is None
    assert foreseen({**ask, "size": 10}, points) is None
    assert foreseen(ask, points) == "foreseen to take 10000 s, of 600 s"
    monkeypatch.setattr(scaling, "LONGEST", 1e9)
    monkeypatch.setattr(scaling, "available", lambda: 5 * 10**7)
    assert foreseen(ask, points) == "foreseen to take 100,000,000 bytes, of 50,000,000 bytes"
    assert foreseen(ask, [*points, {**what, "size": 10, "failed": "no"}]) == "a smaller size is beyond it already"
    assert foreseen({**ask, "method": "mmvae"}, points) is None


def test_a_measurement_apart_that_fails_says_why():
    with pytest.raises(RuntimeError, match="no such thing"):
        apart(failing)


def failing():
    raise RuntimeError("no such thing")


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
