import math

import pytest

from bench.reporting.health import Chains, final_chains
from bench.reporting.health import warning as warning_of
from tests.bench.rundirs import write_gaps, write_run


def warning(gaps, key, waits=None):
    return warning_of([Chains(gap, waits) for gap in gaps], key)


@pytest.mark.parametrize("gap", [0.0, 2.0, -2.0, None, math.nan])
def test_a_small_gap_is_healthy_and_one_that_is_not_known_is_no_news(gap):
    assert warning([gap], "prior") == ""


@pytest.mark.parametrize("gap", [-2.1, -5.0, 2.1, 30.0])
def test_a_larger_gap_is_a_strain(gap):
    assert warning([gap], "prior").startswith(f"strained: energy gap {gap:.1f} (healthy: within ±2): ")


def test_a_gap_that_chains_cannot_reach_says_so_and_what_helps():
    assert warning([-12.0], "priors.energy") == (
        "energy gap -12.0 (healthy: within ±2; below -5 chains do not reach the energy's modes): "
        "learn from persistent chains (priors.energy.buffer, priors.energy.activation=silu), or lower "
        "priors.energy.step_size or priors.energy.lr, or raise priors.energy.noise"
    )


def test_a_positive_gap_is_no_reason_for_smaller_steps():
    assert "a lower prior.step_size or prior.lr, or a prior.noise of at least" in warning([-3.0], "prior")
    assert "prior.step_size" not in warning([3.0], "prior")


def test_of_several_seeds_the_worst_says_how_bad_it_is_and_the_healthy_are_left_out():
    text = warning([1.0, -3.0, None, -5.1], "prior")
    assert text.startswith("energy gap -5.1, -3.0 (healthy")


def test_the_final_gap_is_that_of_the_last_epoch(tmp_path):
    run = write_run(tmp_path)
    assert final_chains(run / "history.csv") == (None, None)  # a prior without energy
    write_gaps(run, -1.0, -7.5)
    assert final_chains(run / "history.csv") == (-7.5, None)  # as of a version that did not count them
    (run / "history.csv").write_text("epoch,loss,energy_gap,energy_waits\n1,9.0,-1.0,0.5\n2,9.0,-2.0,0.25\n")
    assert final_chains(run / "history.csv") == (-2.0, 0.25)


@pytest.mark.parametrize("content", ["", "epoch,energy_gap\n1,x\n", "epoch,energy_gap\n1,\n", "loss\n1\n"])
def test_a_history_that_does_not_say_it_is_no_error(tmp_path, content):
    (tmp_path / "history.csv").write_text(content)
    assert final_chains(tmp_path / "history.csv").gap is None


def test_without_history_there_is_no_gap(tmp_path):
    assert final_chains(None) == (None, None)
    assert final_chains(tmp_path / "history.csv").gap is None


@pytest.mark.parametrize(("waits", "state"), [(0.05, "healthy"), (0.2, "strained"), (0.51, "modes not reached")])
def test_an_energy_that_waits_keeps_a_small_gap_and_is_not_healthy(waits, state):
    assert Chains(-1.9, waits).state == state
    said = warning([-1.9], "prior", waits)
    assert bool(said) == (state != "healthy")
    assert said.startswith("strained") == (state == "strained")
    if said:
        assert f"and it waited for its chains in {waits:.0%} of its updates (healthy: at most 5%)" in said
