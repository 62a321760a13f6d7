"""A run that is there twice counts once, wherever its copies lie."""

import logging
import shutil

from bench.runs.records import read_record, read_records
from tests.bench.rundirs import measure_file, write_run


def copied(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, target)
    return target


def copies_of(run):
    """Copies of a seed, a preset's folder, a method's and a dataset's."""
    preset, method, dataset = run.parent, run.parent.parent, run.parent.parent.parent
    return [
        copied(run, run.with_name("seed-0.bak")),
        copied(run, run.with_name("seed-7")),
        copied(run, preset.with_name("a copy") / run.name),
        copied(run, method.with_name("00-mmvae") / preset.name / run.name),
        copied(run, dataset.with_name("backup") / method.name / preset.name / run.name),
    ]


def test_a_copy_is_not_another_seed(tmp_path, caplog):
    run = write_run(tmp_path)
    copies = copies_of(run)
    with caplog.at_level(logging.WARNING, logger="bench"):
        (record,) = read_records(tmp_path)
    assert record.path == run
    assert len(caplog.records) == len(copies)
    for copy in copies:
        assert f"{copy} is left out: it is the same run as {run} (" in caplog.text


def test_of_copies_that_lie_nowhere_right_the_first_by_path_counts(tmp_path):
    run = write_run(tmp_path)
    copies = copies_of(run)
    shutil.rmtree(run)
    (record,) = read_records(tmp_path, lambda _: None)
    assert record.path == sorted(copies)[0]


def test_a_linked_run_is_a_copy(tmp_path, caplog):
    run = write_run(tmp_path)
    run.with_name("seed-1").symlink_to(run, target_is_directory=True)
    assert len(list(read_records(tmp_path))) == 1
    assert "seed-1 is left out" in caplog.text


def test_measures_that_were_copied_count_once(tmp_path):
    run = write_run(tmp_path)
    file = measure_file(run, "joint")
    shutil.copy(file, file.with_name("joint@ffffffff (copy).json"))
    record = read_record(run)
    assert [part.file.name for part in record.measures if part.evaluator == "joint"] == [file.name]
    assert "has the same evaluation and settings" in record.problems[0]
