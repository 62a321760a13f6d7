"""The table of priors as people read it: a line for the seeds of each prior."""

import math

import pandas as pd
import pytest

from bench.reporting.leaderboard import make_tables
from bench.reporting.prior_lines import by_prior, estimate, models
from tests.bench.reporting.leaderboards import page
from tests.bench.reporting.prior_tables import coverage_set, lines_of, records, table_of, write_energy_run
from tests.bench.rundirs import ENERGY, edit_json, write_measures, write_prior, write_run


def test_seeds_have_students_interval_and_one_seed_has_none(tmp_path):
    for seed, joint in enumerate((0.5, 0.6, 0.7)):
        run = write_energy_run(tmp_path, seed, joint=joint, floor=0.3, top=0.8)
    write_prior(run, "mixture", 0.75)
    p0, own, mixture, top = lines_of(tmp_path)
    # t(0.975; 2) = 4.302653; 4.302653 · 0.1 / √3 = 0.248414; of the gap closed, 0.2 instead of 0.1
    assert own["joint coherence"] == "0.600 [0.352, 0.848]"
    assert own["gap closed"] == "+60% [+10%, +110%]"
    assert (mixture["joint coherence"], mixture["gap closed"], mixture["seeds"]) == ("0.750", "+90%", "1 of 3")
    assert (p0["gap closed"], top["gap closed"], own["seeds"]) == ("+0%", "+100%", "3")


def test_a_measure_that_some_seeds_lack_says_of_how_many_it_is(tmp_path):
    for seed in range(3):
        run = write_run(tmp_path, seed=seed)
        if seed:
            write_measures(run, "coverage", coverage_to_aggregate=0.2 * seed)
    own, _ = lines_of(tmp_path)
    assert own["coverage"].startswith("0.300 [")
    assert own["coverage"].endswith("] (2 of 3 seeds)")
    assert own["recall"] == ""
    assert "nan" not in page(tmp_path)


def test_an_estimate_is_kept_within_what_the_measure_can_be():
    rows = [{"joint_coherence": value, "gap_closed": value} for value in (0.0, 1.0)]
    share, joint = estimate(rows, "gap_closed"), estimate(rows, "joint_coherence")
    assert (joint.low, joint.high) == (0, 1)
    assert share.low < 0
    assert share.high > 1
    assert estimate([{"coverage": math.nan}], "coverage") is None


def test_priors_are_in_the_order_of_the_table(tmp_path):
    run = write_energy_run(tmp_path)
    for prior, joint in (("bootstrap", 0.75), ("diffusion", 0.5), ("energy", 0.7), ("mixture", 0.9)):
        write_prior(run, prior, joint)
    assert [(line["prior of z"], line["role"]) for line in lines_of(tmp_path)] == [
        ("p0", "reference"),
        ("energy", "trained"),
        ("mixture", "fitted"),
        ("energy", "fitted"),
        ("diffusion", "fitted"),
        ("bootstrap", "reference"),
        ("held-out aggregate", "reference"),
    ]


def test_models_of_one_base_method_are_side_by_side(tmp_path):
    model = {"network": {"image": "patch"}, "prior": {"name": "mixture"}}
    write_run(tmp_path, "mmvae", config={"model": model}, config_hash="deadbeef")
    for method in ("mvae", "mmvae"):
        write_run(tmp_path, method)
    for method in ("ebm-generalized", "ebm-base"):
        write_run(tmp_path, method, config=ENERGY)
    assert [key[:2] for key in models(records(tmp_path))] == [
        ("mmvae", "laplace"),
        ("mmvae", "mixture"),
        ("ebm-base", "energy"),
        ("ebm-generalized", "energy"),
        ("mvae", "laplace"),
    ]


@pytest.mark.parametrize(
    "other",
    [{"source": "official"}, {"preset": "paper"}, {"fingerprint": "e" * 64}, {"n": 999}, {"config_hash": "deadbeef"}],
)
def test_what_does_not_compare_never_shares_a_line(tmp_path, other):
    for seed, values in ((0, {}), (1, other)):
        write_prior(write_run(tmp_path, seed=seed, **values), "mixture", 0.7, n=values.get("n", 1000))
    lines = [line for line in page(tmp_path).splitlines() if "| mixture | fitted |" in line]
    assert len(lines) == 2
    assert all("| mixture | fitted | 1 | 0.700 |" in line for line in lines)


def test_a_measure_under_two_protocols_never_shares_a_cell(tmp_path):
    for seed in (0, 1, 2):
        run = write_run(tmp_path, seed=seed, joint=0.5)
        coverage_set(run, 0.2, "classifiers of one kind", 100)
        if seed == 2:
            coverage_set(run, 0.8, "classifiers of another kind", 900)
    own = table_of(tmp_path).query("role == 'trained'")
    assert own[["seed", "coverage_to_aggregate"]].values.tolist() == [[0, 0.2], [1, 0.2], [2, 0.2], [2, 0.8]]
    assert own["joint_coherence"].tolist()[:3] == [0.5, 0.5, 0.5]
    assert math.isnan(own["joint_coherence"].tolist()[3])  # once, or a mean would count the seed twice
    one, other, aggregate = lines_of(tmp_path)
    assert (one["coverage"][:5], one["joint coherence"][:5], one["seeds"]) == ("0.200", "0.500", "3")
    assert (other["coverage"], other["joint coherence"], other["seeds"]) == ("0.800", "", "1 of 3")
    assert one["measured by"] == "coverage_to_aggregate: classifiers of one kind"
    assert other["measured by"] == "coverage_to_aggregate: classifiers of another kind"
    assert aggregate["measured by"] == ""


def test_a_seed_that_has_the_rare_protocol_alone_is_in_no_mean_of_the_common_one(tmp_path):
    for seed, (value, protocol) in enumerate([(0.2, "a"), (0.2, "a"), (0.8, "b")]):
        coverage_set(write_run(tmp_path, seed=seed), value, protocol, 100)
    one, other, _ = lines_of(tmp_path)
    assert one["coverage"] == "0.200 [0.200, 0.200] (2 of 3 seeds)"
    assert one["seeds"] == "3"
    assert other["coverage"] == "0.800"


def test_a_label_breaks_neither_table(tmp_path):
    label = 'mixture a|b, "c" <d> $\\frac'
    write_prior(write_run(tmp_path), "mixture", 0.7, label=label)
    make_tables(tmp_path)
    assert label in set(pd.read_csv(tmp_path / "priors.csv")["prior"])
    text = (tmp_path / "leaderboard.md").read_text()
    (line,) = [line for line in text.splitlines() if "| fitted |" in line]
    assert 'mixture a\\|b, "c" <d>' in line
    (headings,) = [line for line in text.splitlines() if "| prior of z |" in line]
    assert line.replace("\\|", "").count("|") == headings.count("|")


def test_a_prior_that_draws_few_classes_is_called_collapsed(tmp_path):
    run = write_run(tmp_path)
    path = write_prior(run, "mixture", 0.95)
    edit_json(path, "measures", "joint_coherence", "details", "entropy", value=0.4)
    lines = {line["prior of z"]: line["joint coherence"] for line in lines_of(tmp_path)}
    assert lines["mixture"] == "0.950, COLLAPSED in 1 of 1"
    assert lines["laplace"] == "0.500"


def test_further_protocols_follow_their_prior(tmp_path):
    run = write_run(tmp_path)
    for samples, protocol in ((100, "a"), (900, "b")):
        coverage_set(run, samples / 1000, protocol, samples)
    groups = by_prior(records(tmp_path))
    assert [(group[0]["prior"], group[0]["coverage_to_aggregate"]) for group in groups][:2] == [
        ("laplace", 0.1),
        ("laplace", 0.9),
    ]
