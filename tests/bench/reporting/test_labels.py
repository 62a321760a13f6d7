"""What rows and fitted priors are called."""

import pytest

from bench.config.evaluation import resolve_evaluation
from bench.config.schema import as_plain
from bench.reporting.rows import read_runs
from tests.bench.rundirs import write_prior, write_run


def labels(out):
    return set(read_runs(out)[0]["prior"])


def fitted(run, preset, **changes):
    settings = as_plain(resolve_evaluation("polymnist", preset, []).priors["diffusion"])
    write_prior(run, "diffusion", 0.7, settings={**settings, **changes}, label="diffusion width=128 lr=0.002")


def test_a_fitted_prior_is_called_by_what_differs_from_its_preset(tmp_path):
    run = write_run(tmp_path)
    fitted(run, "quick")
    assert labels(tmp_path) == {"own", "diffusion"}
    fitted(run, "quick", width=64)
    assert labels(tmp_path) == {"own", "diffusion", "diffusion width=64"}


def test_the_class_defaults_are_named_where_the_preset_has_others(tmp_path):
    fitted(write_run(tmp_path), "paper")
    (label,) = labels(tmp_path) - {"own"}
    assert label.startswith("diffusion width=")


@pytest.mark.parametrize("names", [{"preset": "another"}, {"dataset": "nowhere"}])
def test_without_its_preset_the_stored_label_stays(tmp_path, names):
    fitted(write_run(tmp_path, **names), "quick")
    assert labels(tmp_path) == {"own", "diffusion width=128 lr=0.002"}


def test_settings_of_another_version_keep_the_stored_label(tmp_path):
    write_prior(write_run(tmp_path), "diffusion", 0.7, settings={"no": 1}, label="diffusion no=1")
    assert labels(tmp_path) == {"own", "diffusion no=1"}
