"""Submission records: what is written, and what of a record that anybody may have written is believed."""

import json
import os
import shutil

import pytest

from bench.errors import BenchError
from bench.execution.submissions import JobRecord, Submission, new_submission, place_of, read_submissions
from bench.runs.process import this_process
from bench.runs.store import write_json
from tests.bench.execution.folders import RUN
from tests.bench.runs.hostile import put

LOG = "jobs/20250101-000000-0000/0.log"
JOB = {"job": "12_0", "order": "0.json", "runs": [RUN], "log": LOG}
RECORD = {
    **{"executor": "slurm", "submitted": "2025-01-01T00:00:00+00:00", "host": "h", "pid": 7, "process_started": "b:1"},
    **{"argv": ["bench", "run"], "jobs": [JOB]},
}


def record(out, folder="20250101-000000-0000", **changes):
    path = out / "jobs" / folder
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / "submission.json", {**RECORD, "place": place_of(path), **changes})


def found(out):
    submissions, problems = read_submissions(out)
    assert all(problem.isprintable() for problem in problems)
    return submissions, problems


def test_a_submission_is_read_as_it_was_written(out):
    written = new_submission(out, "slurm")
    written.jobs.append(JobRecord("12_0", "0.json", [RUN], f"jobs/{written.folder.name}/slurm/12_0_0_log.out"))
    written.jobs.append(JobRecord(None, "1.json", [], None))
    written.write()
    assert found(out) == ([written], [])
    assert written.process == this_process()
    assert written.process.is_alive()
    assert written.out == out


def test_submissions_come_oldest_first_and_unsubmitted_ones_not_at_all(out):
    for folder in ("20250102-000000-0000", "20250101-000000-ffff"):
        record(out, folder, jobs=[])
    new_submission(out, "local")
    assert [s.folder.name for s in found(out)[0]] == ["20250101-000000-ffff", "20250102-000000-0000"]
    assert found(out / "nothing") == ([], [])


def test_a_copied_submission_names_the_processes_of_another_folder(out, tmp_path):
    record(out)
    shutil.copytree(out, tmp_path / "copy")
    shutil.move(out, tmp_path / "moved")
    assert [len(found(tmp_path / name)[0]) for name in ("copy", "moved")] == [0, 1]
    assert "it is a copy" in found(tmp_path / "copy")[1][0]


@pytest.mark.parametrize(
    "changes",
    [
        {"runs": ["runs/poly\0mnist/mmvae/quick-0123abcd/seed-0"]},
        {"runs": ["runs/\ud800/mmvae/quick-0123abcd/seed-0"]},
        {"runs": [f"runs/{'x' * 5000}/mmvae/quick-0123abcd/seed-0"]},
        {"order": "a\0b.json"},
        {"order": "\ud800.json"},
        {"log": f"{LOG[:-5]}\ud800.log"},
        {"log": f"{LOG[:-5]}{'x' * 300}.log"},
    ],
)
def test_paths_that_no_file_can_have_are_refused(out, changes):
    record(out, jobs=[{**JOB, **changes}])
    submissions, (problem,) = found(out)
    assert submissions == []
    assert next(iter(changes)) in problem


@pytest.mark.parametrize("text", ["", "{", "{}", '{"jobs": []}', '{"jobs": [{"job": 1}]}', "[]", "null", "[" * 10**5])
def test_a_damaged_record_costs_that_submission_and_is_named(out, text):
    record(out, "20250102-000000-0000", jobs=[])
    record(out)
    path = out / "jobs" / "20250101-000000-0000" / "submission.json"
    path.write_text(text)
    submissions, (problem,) = found(out)
    assert len(submissions) == 1
    assert f"{path} is left out" in problem
    assert f"Remove {path.parent} to forget" in problem


@pytest.mark.parametrize("what", ["folder", "fifo", "endless device"])
def test_what_is_no_file_costs_that_submission_and_blocks_nobody(out, what):
    put(out / "jobs" / "20250101-000000-0000" / "submission.json", what)
    submissions, (problem,) = found(out)
    assert submissions == []
    assert "is left out" in problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("pid", pid) for pid in (-4711, 0, 1, True, "7", 7.0, 2**40, None)],
        *[("executor", value) for value in ("cloud", ["slurm"], None)],
        *[("submitted", value) for value in ("yesterday", 5, "", "0001-01-01", "2025-13-01T00:00:00")],
        *[("host", 5), ("host", "x" * 10**5), ("argv", "bench run"), ("argv", [1]), ("process_started", 3)],
        *[("jobs", {}), ("jobs", ["12"]), ("jobs", None)],
    ],
)
def test_a_record_with_what_cannot_be_is_left_out(out, field, value):
    record(out, **{field: value})
    submissions, (problem,) = found(out)
    assert submissions == []
    assert field in problem or "no submission" in problem or "a job cannot be" in problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("job", job) for job in ("--user=victim", "12,13", "12 13", "-1", "", 12, "12_0\n", "١٢", "12_0_1")],
        *[("order", order) for order in ("../0.json", "/etc/passwd", "a/0.json", "", ".", "..", 0, None)],
        *[("runs", runs) for runs in ([f"../{RUN}"], ["runs/a/b/c/seed-0"], [f"/{RUN}"], RUN, [1], None)],
        *[
            ("log", log)
            for log in ("/etc/hostname", "jobs/../../etc/hostname", f"{LOG}/../../../x", "jobs/other/0.log")
        ],
        *[("log", log) for log in ("runs/x", "jobs/20250101-000000-0000", "jobs/20250101-000000-0000/a\0b", 5, "", [])],
    ],
)
def test_a_job_that_names_what_is_not_its_own_is_left_out(out, field, value):
    record(out, jobs=[JOB, {**JOB, field: value}])
    submissions, (problem,) = found(out)
    assert submissions == []
    assert f"{field} cannot be" in problem


def test_what_a_record_says_does_not_act_on_a_terminal(out):
    record(out, executor="\x1b[2J\x07")
    _, (problem,) = found(out)
    assert "\\x1b[2J" in problem


def test_a_folder_that_is_a_link_to_another_place_is_left_out(out, tmp_path):
    record(tmp_path / "elsewhere")
    (out / "jobs").mkdir(parents=True)
    (out / "jobs" / "20250101-000000-0000").symlink_to(tmp_path / "elsewhere" / "jobs" / "20250101-000000-0000")
    submissions, (problem,) = found(out)
    assert submissions == []
    assert "symbolic link" in problem


@pytest.mark.parametrize("target", ["/etc/hostname", "../20250102-000000-0000/0.log"])
def test_a_link_does_not_lead_out_of_the_folder(out, target):
    record(out)
    (submission,), _ = found(out)
    for path in (out / LOG, submission.folder / "0.json"):
        path.symlink_to(target)
    with pytest.raises(BenchError, match="leads out of"):
        submission.log_file(submission.jobs[0])
    with pytest.raises(BenchError, match="leads out of"):
        submission.order_file(submission.jobs[0])


def test_an_output_directory_may_itself_be_behind_a_link(out, tmp_path):
    record(out)
    (tmp_path / "link").symlink_to(out)
    (submission,), problems = read_submissions(tmp_path / "link")
    assert not problems
    assert submission.log_file(submission.jobs[0]) == tmp_path / "link" / LOG


def test_arguments_with_odd_bytes_can_be_written(out, monkeypatch):
    monkeypatch.setattr("sys.argv", ["bench", os.fsdecode(b"\xff\x1b")])
    new_submission(out, "local").write()
    (submission,), problems = found(out)
    assert (submission.argv, problems) == (["bench", "\\udcff\\x1b"], [])


def test_the_record_is_whole_and_says_where_it_is(out):
    submission = new_submission(out, "local")
    submission.write()
    tree = json.loads((submission.folder / "submission.json").read_text())
    assert tree.keys() == {*RECORD, "folder", "place"} == {*Submission.__dataclass_fields__, "place"}
    assert tree["folder"] == submission.folder.name
