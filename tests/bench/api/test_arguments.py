"""What cannot be meant is told in a sentence, before anything is written."""

from pathlib import Path

import numpy as np
import pytest
import torch

import bench
from bench.api.arguments import (
    folder_of,
    methods_of,
    seeds_of,
    settings_of,
    sweeps_of,
    whole_number,
)
from bench.errors import UsageError
from methods import all_methods


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (3, [3]),
        (range(2), [0, 1]),
        ((2, 0, 2), [2, 0]),
        (np.int64(4), [4]),
        (np.arange(3), [0, 1, 2]),
        (np.array(5), [5]),
        (torch.tensor(6), [6]),
        ({7}, [7]),
        ((n for n in (1, 2)), [1, 2]),
        (2**31 - 1, [2**31 - 1]),
    ],
)
def test_seeds_are_whole_numbers(given, seeds):
    found = seeds_of(given)
    assert found == seeds
    assert {type(seed) for seed in found} == {int}


@pytest.mark.parametrize(
    "given",
    [
        *(-1, [0, -1], True, [True], 1.0, [0.0], np.float64(1), np.bool_(True), np.array(1.5), None, [None]),
        *("0", "0-2", ["0"], b"0", [], range(0), {0: 1}, 2**31, [[0]]),
    ],
)
def test_other_seeds_are_refused(given):
    with pytest.raises(UsageError, match=r"seeds=.*: expected whole numbers from 0 to 2147483647, such as 0, \[0, 1"):
        seeds_of(given)


def test_too_many_seeds_are_refused_at_once():
    with pytest.raises(UsageError, match="more than 10,000 seeds"):
        seeds_of(range(10**15))


def test_methods_are_names():
    assert methods_of("all") == all_methods()
    assert methods_of("mmvae") == ["mmvae"]
    assert methods_of(("mmvae", "mvae", "mmvae")) == ["mmvae", "mvae"]
    assert methods_of(np.array(["mmvae"])) == ["mmvae"]


@pytest.mark.parametrize("given", [[], None, 3, ["mmvae", 3], {"mmvae": 1}, b"mmvae"])
def test_other_methods_are_refused(given):
    with pytest.raises(UsageError, match=r"methods=.*: expected a name such as"):
        methods_of(given)


def test_a_list_of_the_command_line_is_spelled_in_python():
    with pytest.raises(UsageError, match=r"methods='mmvae, ebm-base': expected .* a list of names: \['mmvae', 'ebm-b"):
        methods_of("mmvae, ebm-base")


def test_settings_are_written_as_the_command_line_has_them():
    given = {"beta": np.float32(0.5), "prior.steps": np.int64(3), "prior.betas": (0.5, 0.9), "prior": "energy"}
    assert settings_of(given) == ["beta=0.5", "prior.steps=3", "prior.betas=[0.5,0.9]", "prior=energy"]
    assert settings_of({"evaluators.fid.inception": Path("a b.pt")}) == ['evaluators.fid.inception="a b.pt"']
    assert settings_of(None) == sweeps_of(None) == []
    assert sweeps_of({"beta": np.array([0.5, 1.0]), "seeds": range(2)}) == ["beta=0.5, 1.0", "seeds=0, 1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["beta=1"], r"settings=\['beta=1'\]: expected a dictionary such as"),
        ("beta=1", "settings='beta=1': expected a dictionary"),
        ({"": 1}, "settings: '' is no name of a setting"),
        ({"beta=1": 1}, "settings: 'beta=1' is no name of a setting"),
        ({3: 1}, "settings: 3 is no name of a setting"),
        ({"a\x1b": 1}, r"settings: 'a\\x1b' is no name"),
        ({"beta": object()}, "settings: <object .* is no value of a setting"),
        ({"beta": {1, 2}}, r"settings: \{1, 2\} is no value of a setting"),
    ],
)
def test_other_settings_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        settings_of(given)


@pytest.mark.parametrize("given", [{"beta": 0.5}, {"beta": "0.5,1"}, {"beta": []}, ["beta=1,2"], {"beta": {"a": 1}}])
def test_other_sweeps_are_refused(given):
    with pytest.raises(UsageError, match=r'sweep=.*: expected a dictionary of lists, such as \{"beta": \[0.5, 1.0\]\}'):
        sweeps_of(given)


@pytest.mark.parametrize("given", ["x", "3", 2.0, True, None, -1, 0, 6, [1]])
def test_a_number_is_whole_and_within_its_ends(given):
    assert whole_number("n", np.int32(5), "1 to 5", 1, 5) == 5
    with pytest.raises(UsageError, match=r"n=.*: expected 1 to 5"):
        whole_number("n", given, "1 to 5", 1, 5)


@pytest.mark.parametrize("given", [3, None, ["out"], b"out", "a\0b"])
def test_a_folder_is_text_or_a_path(given):
    assert folder_of("out", "out") == folder_of("out", Path("out")) == Path("out")
    with pytest.raises(UsageError, match=r"out=.*: expected a folder, as text or a Path"):
        folder_of("out", given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": -1}, "seeds=-1"),
        ({"jobs": "4"}, "jobs='4': expected 1 to 1024 runs at once"),
        ({"jobs": True}, "jobs=True"),
        ({"jobs": 2000}, "jobs=2000"),
        ({"force": "no"}, "force='no': expected True or False"),
        ({"preset": 3}, "preset=3: expected a name"),
        ({"source": None}, "source=None: expected"),
        ({"dataset": ["polymnist"]}, r"dataset=\['polymnist'\]: expected one of polymnist, cub, arrays"),
        ({"device": 0}, "device=0: expected auto, cpu, cuda, cuda:N"),
        ({"device": "gpu"}, "device 'gpu': expected auto, cpu, cuda, cuda:N"),
        ({"data_root": 3}, "data_root=3: expected a folder"),
        ({"settings": {"betta": 1}}, "^unknown key 'betta': did you mean 'beta'"),
        ({"sweep": {"betta": [1]}}, "^unknown key 'betta': did you mean 'beta'"),
        ({"settings": {"evaluation.sample": 1}}, r"^unknown key 'evaluation\.sample'"),
    ],
)
def test_run_refuses_them_before_anything_is_written(finished, tmp_path, options, message):
    basics = {"methods": "mmvae", "dataset": "arrays", "preset": "smoke", "data_root": finished.data}
    with pytest.raises(UsageError, match=message) as error:
        bench.run(**{**basics, "out": tmp_path / "none", **options})
    assert "--" not in str(error.value)  # Python has no options
    assert not (tmp_path / "none").exists()


def test_an_output_folder_that_is_a_file_is_told_before_data_are_made(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"file: cannot write there \(it is a file\)"):
        bench.run("mmvae", "polymnist", out=tmp_path / "file")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda out: bench.results(3), "out=3: expected a folder"),
        (lambda out: bench.results(out, ["measures"]), r"table=\['measures'\]: expected one of measures, leaderboard"),
        (lambda out: bench.load(None), "path=None: expected a folder"),
        (lambda out: bench.load(out, device=0), "device=0: expected auto, cpu"),
        (lambda out: bench.load(out, data_root=3), "data_root=3: expected a folder"),
    ],
)
def test_results_and_load_refuse_them(finished, call, message):
    with pytest.raises(UsageError, match=message):
        call(finished.out)
