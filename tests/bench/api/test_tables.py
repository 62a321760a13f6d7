"""`bench.results` gives the tables that the commands write."""

import io

import pandas as pd
import pytest

import bench
from bench.api.tables import write_report
from bench.errors import DataMissing, UsageError
from bench.reporting import figures
from tests.bench.rundirs import write_run


@pytest.mark.parametrize("table", ["measures", "leaderboard", "priors"])
def test_a_frame_is_the_file_of_its_name(finished, table):
    frame = bench.results(finished.out, table)
    written = pd.read_csv(finished.out / f"{table}.csv")
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(frame.to_csv(index=False))), written)


def test_measures_are_tidy(finished):
    frame = bench.results(finished.out)
    joint = frame[(frame["measure"] == "joint_coherence") & (frame["prior"] == "own")]
    assert joint[["dataset", "method", "preset", "seed"]].to_numpy().tolist() == [["arrays", "mmvae", "smoke", 0]]
    assert 0 <= joint["low"].item() <= joint["value"].item() <= joint["high"].item() <= 1
    assert "mixture components=3" in set(frame["prior"])


def test_what_is_not_there_is_told(tmp_path, finished):
    with pytest.raises(DataMissing, match="runs does not exist: name a folder that `bench run --out` has filled"):
        bench.results(tmp_path)
    with pytest.raises(UsageError, match="unknown table 'leaderbord': did you mean 'leaderboard'"):
        bench.results(finished.out, "leaderbord")


def test_figures_that_cannot_be_made_cost_no_page(tmp_path, caplog, monkeypatch):
    def fail(*_):
        raise MemoryError("no room for a canvas")

    write_run(tmp_path)
    monkeypatch.setattr(figures, "save_figures", fail)
    write_report(tmp_path)
    assert "there are no figures: MemoryError: no room for a canvas" in caplog.text
    assert (tmp_path / "report.html").exists()
