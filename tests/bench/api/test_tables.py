"""`bench.results` gives the tables that the commands write."""

import io

import pandas as pd
import pytest

import bench
from bench.errors import DataMissing, UsageError


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
