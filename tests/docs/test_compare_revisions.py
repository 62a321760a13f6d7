"""scripts/compare_revisions.py: what is measured of two checkouts, in turns, and how they compare."""

import csv
import json
import shutil

import pytest

import compare_revisions
from bench.runs.records import read_records
from tests.bench.rundirs import write_run

STEP = {"before": 0.2, "after": 0.1}


@pytest.fixture
def script(monkeypatch):
    """The module, with checkouts that measure nothing: `bench speed` finds STEP, and all else takes no time."""
    script = compare_revisions

    def bench(self, *arguments):
        calls.append((self.name, arguments[0]))
        if arguments[0] == "speed":
            row = {"method": "mmvae", "seconds": STEP[self.name], "coherence_seconds": 3, "coherence_tuples": 500}
            row["revision"] = "0123456789abcdef"
            with open(arguments[-1], "w", newline="") as file:
                writer = csv.DictWriter(file, ["way", *row])
                writer.writeheader()
                writer.writerows([row | {"way": "naive", "seconds": 9}, row | {"way": "suite"}])
        elif not self.out.exists():
            write_run(self.out)
        return 300.4

    calls = []
    monkeypatch.setattr(script, "calls", calls, raising=False)
    monkeypatch.setattr(script, "MANY", 5)
    monkeypatch.setattr(script.Checkout, "bench", bench)
    monkeypatch.setattr(script.subprocess, "run", lambda *_, **__: script.subprocess.CompletedProcess([], 0, "abc\n"))
    return script


def main(script, monkeypatch, tmp_path, *options):
    table = tmp_path / "table.csv"
    arguments = [str(tmp_path / "b"), str(tmp_path / "a"), "--work", str(tmp_path / "work"), "--csv", str(table)]
    monkeypatch.setattr(script.sys, "argv", ["compare_revisions.py", *arguments, *options])
    script.main()
    return {row["measured"]: row for row in csv.DictReader(table.read_text().splitlines())}


def test_a_ratio_above_one_says_that_the_later_is_faster(script, monkeypatch, tmp_path):
    rows = main(script, monkeypatch, tmp_path)
    step = rows["conv, training step"]
    assert (step["seconds_before"], step["seconds_after"], step["ratio"], step["turns"]) == ("0.2", "0.1", "2.000", "2")
    assert rows["quick, coherence of 10,000 by 500 tuples"]["ratio"] == "1.000"
    commands = ["quick table", "report", "all runs there"]
    many = [f"{command}, 5 runs" for command in ("report", "status", "compare")]
    assert list(rows)[-6:] == [*commands, *many]
    assert (step["mib_before"], rows["report"]["mib_before"], rows["report, 5 runs"]["mib_after"]) == (
        *("", "300"),
        "300",
    )
    assert (step["revision_before"], rows["report"]["revision_after"]) == ("0123456789ab", "abc")


def test_the_checkouts_take_turns(script, monkeypatch, tmp_path):
    main(script, monkeypatch, tmp_path, "--turns", "3")
    speeds = [name for name, command in script.calls if command == "speed"]
    assert speeds == ["before", "after"] * 6
    assert [name for name, command in script.calls if command == "report"] == ["before", "after"] * 6


def test_what_was_measured_is_not_measured_again(script, monkeypatch, tmp_path):
    main(script, monkeypatch, tmp_path)
    script.calls.clear()
    took = tmp_path / "work" / "quick-table-after-1.json"
    took.write_text(json.dumps([240.0, "earlier"]))
    rows = main(script, monkeypatch, tmp_path)
    assert not script.calls
    assert (rows["quick table"]["seconds_after"], rows["quick table"]["revision_after"]) == ("240", "earlier")


def test_times_without_their_runs_are_refused(script, monkeypatch, tmp_path):
    main(script, monkeypatch, tmp_path)
    shutil.rmtree(tmp_path / "work" / "out-after")
    with pytest.raises(SystemExit, match="out-after has no runs"):
        main(script, monkeypatch, tmp_path)


def test_many_runs_are_the_tables_with_other_seeds(script, tmp_path):
    out = tmp_path / "work" / "out-after"
    runs = [write_run(out, method=method, seed=seed) for method, seed in (("mmvae", 0), ("mmvae", 3), ("mopoe", 0))]
    (runs[0] / "checkpoint.pt").write_text("weights")
    checkout = script.Checkout("after", tmp_path, tmp_path / "work")
    for _ in range(2):
        checkout.multiply()
    found = [(record.identity.method, record.identity.seed) for record in read_records(checkout.many, pytest.fail)]
    assert found == [("mmvae", 0), ("mmvae", 1), ("mmvae", 2), ("mopoe", 0), ("mopoe", 1)]
    assert not list(checkout.many.rglob("checkpoint.pt"))
