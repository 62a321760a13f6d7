"""What provenance.json says of a run and of the sessions that trained it."""

from bench import runner
from bench.runs import provenance as origins
from bench.runs.store import read_json
from tests.bench.runner.conftest import raising, run_it, stop_at


def test_provenance_has_every_item(run):
    run_it(run)
    provenance = read_json(run.path / "provenance.json")
    assert (provenance["method"], provenance["config_hash"], provenance["seed"]) == ("ebm-base", run.config.hash, 3)
    data = {"dataset": "toy", "source": "bundled", "fingerprint": "0" * 64, "train": 96, "validation": 0, "test": 40}
    assert provenance["data"] == data
    assert provenance["classifier_accuracy"] == {"m0": 1.0, "m1": 1.0, "m2": 1.0, "mean": 1.0}
    assert set(provenance["code"]) == {"version", "revision", "dirty", "sha256"}
    assert {"python", "torch", "numpy"} <= set(provenance["versions"])
    assert {"device", "name", "cores", "threads", "host", "system"} <= set(provenance["hardware"])
    assert provenance["argv"]
    assert provenance["started"].endswith("+00:00")


def session_by(revision, run, monkeypatch, **options):
    code = {"version": "1", "revision": revision, "dirty": False, "sha256": revision}
    with monkeypatch.context() as patch:
        patch.setattr(origins, "code", lambda: code)
        run_it(run, **options)
    return read_json(run.path / "provenance.json")


def test_provenance_names_who_started_and_who_resumed(run, monkeypatch):
    before = session_by("aaa", run, monkeypatch, stop=stop_at(2))
    after = session_by("bbb", run, monkeypatch)
    assert after["code"]["revision"] == "aaa"
    assert [session["code"]["revision"] for session in after["sessions"]] == ["aaa", "bbb"]
    assert {key: after[key] for key in ("started", "argv", "versions", "hardware")} == {
        key: before[key] for key in ("started", "argv", "versions", "hardware")
    }
    assert set(after["sessions"][1]) == {"started", "host", "device", "torch", "code"}
    assert run.finished(run.config.evaluation)


def test_a_session_that_saved_no_step_did_not_start_the_run(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(runner, "train", raising(ValueError("oops")))
        session_by("aaa", run, monkeypatch)
    after = session_by("bbb", run, monkeypatch)
    assert after["code"]["revision"] == "bbb"
    assert [session["code"]["revision"] for session in after["sessions"]] == ["aaa", "bbb"]
