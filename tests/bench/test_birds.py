"""The life of a run on items of CUB's shapes, with every family of networks and nothing made for it."""

import pytest

from bench.config.folders import presets_folder
from bench.config.resolve import resolve
from bench.evaluation.classifiers import classifiers
from bench.runner import execute
from bench.runs.run import Run
from bench.runs.store import read_json
from tests.bench.conftest import QUICK
from tests.bench.evaluation.conftest import few_steps  # noqa: F401 (a fixture)
from tests.toy import bird_data

TINY = (*QUICK, "trainer.epochs=1", "trainer.batch_size=8", "evaluation.samples=8")


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize(("method", "network"), [("mopoe", "patch"), ("ebm-base", "conv"), ("mmvaeplus", "resnet")])
def test_it_is_trained_measured_and_drawn(method, network, tmp_path):
    data = bird_data()
    settings = [*TINY, f"network={network}", *(["prior.steps=3"] if method == "ebm-base" else [])]
    (config,) = resolve(
        [method],
        *("birds", "bundled", "smoke", settings),
        modalities=data.modalities,
        fingerprint=data.fingerprint,
        presets=presets_folder("cub"),
    )
    run = Run(config, 0, tmp_path / "out")
    execute(run, data, classifiers(data))
    assert read_json(run.path / "status.json")["state"] == "done"
    cross = read_json(run.measure_file("cross"))["measures"]
    assert {"cross_coherence_from_image", "cross_coherence_from_caption"} < set(cross)
    assert set(cross["cross_coherence"]["details"]["attributes"]) == {"colour", "wing"}
    chance = cross["cross_coherence_all"]["chance"]
    assert chance == pytest.approx(sum((k / 16) ** 2 for k in (6, 5, 5)) / 2 + sum_of_known() / 2)
    joint = read_json(run.measure_file("joint"))["measures"]["joint_coherence"]
    assert joint["chance"] == pytest.approx(sum(a["chance"] for a in joint["details"]["attributes"].values()) / 2)
    absent = read_json(run.measure_file("published-joint"))
    assert "no published protocol" in str(absent)
    assert (run.path / "samples_joint.png").exists()
    assert (run.path / "samples_cross.png").exists()


def sum_of_known():
    """Σ p_c² of the known labels of `wing`: rows 3, 7, 11 and 15 are not known."""
    known = [row % 3 for row in range(16) if row % 4 != 3]
    return sum((known.count(c) / len(known)) ** 2 for c in range(3))
