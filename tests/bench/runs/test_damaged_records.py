"""Files of a run that are damaged in any way: they are named, and cost no more than their part."""

import logging
import os
import time

import pytest

from bench.reporting.leaderboard import leaderboard
from bench.reporting.rows import read_runs
from bench.runs.records import read_record
from tests.bench.rundirs import edit_json, measure_file, write_prior, write_run

BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 40))])
FILES = [
    *["config.yaml", "provenance.json", "status.json", "training.json", "history.csv"],
    *["measures/joint", "measures/cross", "priors/flow"],
]


def finished(out, seed=0):
    run = write_run(out, seed=seed)
    write_prior(run, "flow", 0.8)
    return run


def file_of(run, name):
    """The file, where the names of measures have keys."""
    return next(iter(run.glob(f"{name}@*.json")), run / name)


def seeds_of(out):
    """{(prior, protocol): seeds} of the leaderboard."""
    table = leaderboard(*read_runs(out))
    return {(row["prior"], row["protocol"]): row["seeds"] for row in table.to_dict("records")}


def empty(path):
    path.write_text("")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_types(path):
    path.write_text("[1, 2]")


def not_text(path):
    path.write_bytes(b"\xff\xfe\x00")


def nested(path):
    path.write_text("[" * 200_000 + "]" * 200_000)


def folder(path):
    path.unlink()
    path.mkdir()


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def link_to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path.name)


def link_to_endless_zeros(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path):
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse: it takes no space, and no memory would hold it


DAMAGES = [
    *(empty, half, other_types, not_text, nested, folder, fifo),
    *(link_to_nowhere, link_to_itself, link_to_endless_zeros, huge),
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_once_and_undamaged_runs_stay(tmp_path, caplog, name, damage):
    finished(tmp_path, 0)
    finished(tmp_path, 1)
    file = file_of(finished(tmp_path, 2), name)
    if damage is half and name == "history.csv":
        pytest.skip("half a table is a table")
    damage(file)
    with caplog.at_level(logging.WARNING, logger="bench"):
        started = time.monotonic()
        found = seeds_of(tmp_path)
        assert time.monotonic() - started < 5
    protocol = "joint prior n=1000, cross pairs n=1000"
    assert found["own", protocol] >= 2
    assert found["flow", protocol] >= 2
    # The figure of the training reads the history; and without a status nothing is missed.
    if name != "history.csv" and (name, damage) != ("status.json", link_to_nowhere):
        (message,) = [record.message for record in caplog.records]
        assert str(file.parent.parent if "/" in name else file.parent) in message
        assert name in message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("value",), "0.5"),
        (("value",), True),
        (("value",), None),
        (("value",), 10**400),
        (("value",), -1e300),
        (("n",), 1.5),
        (("n",), -1),
        (("protocol",), 3),
        (("low",), [0]),
        (("better",), "faster"),
        (("details",), [1]),
        (("high",), "\ud800"),
    ],
)
def test_a_damaged_measure_is_left_out_and_the_others_of_its_file_stay(tmp_path, place, value):
    file = measure_file(write_run(tmp_path), "joint")
    edit_json(file, "measures", "joint_coherence_base", *place, value=value)
    record = read_record(file.parents[1])
    joint = next(part for part in record.measures if part.evaluator == "joint")
    assert sorted(joint.measures) == ["joint_coherence", "joint_coherence_aggregate"]
    (problem,) = record.problems
    assert f"{file}: joint_coherence_base is left out" in problem


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("config.yaml", BOMB, "has more than 20000 entries"),
        ("config.yaml", "&a [*a]", "is nested"),
        ("config.yaml", "method: !!python/object:os.system x", "is no YAML"),
        ("config.yaml", "method: ../../../etc", "method should be a name"),
        ("config.yaml", "method: 2001-99-99", "is no YAML"),
        ("provenance.json", '{"seed": NaN}', "is no JSON (NaN is no number)"),
        ("provenance.json", '{"seed": ' + "9" * 5000 + "}", "is no JSON (Exceeds the limit"),
        ("training.json", '{"seconds": 1e999}', "seconds should be a finite number, and is inf"),
        ("training.json", '{"seconds": "1\\u001b[31m"}', "seconds should be a finite number, and is '1\\x1b[31m'"),
    ],
)
def test_files_that_mean_harm_are_told_in_a_sentence(tmp_path, file, content, problem):
    run = write_run(tmp_path)
    (run / file).write_text(content)
    (found,) = read_record(run).problems
    assert str(run / file) in found
    assert problem in found
    assert "\x1b" not in found


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("n",), -1, "joint_coherence_base is left out: it is damaged (Expected `int` >= 0 - at `$.n`)"),
        (("better",), "up", "joint_coherence_base is left out: it is damaged (better should be higher, lower or null)"),
    ],
)
def test_what_is_wrong_with_a_measure_is_said(tmp_path, place, value, said):
    edit_json(measure_file(write_run(tmp_path), "joint"), "measures", "joint_coherence_base", *place, value=value)
    (problem,) = read_record(next(tmp_path.glob("runs/*/*/*/*"))).problems
    assert problem.endswith(said)
