"""The table of priors of a folder of runs, its lines for people, and runs that have such."""

from bench.reporting.prior_lines import prior_table
from bench.reporting.priors import priors_table
from bench.reporting.rows import read_runs
from tests.bench.rundirs import ENERGY, edit_json, measure, measure_file, write_run, write_set


def table_of(out):
    return priors_table(read_runs(out)[0])


def records(out):
    return table_of(out).to_dict("records")


def lines_of(out):
    """The rows of the table for people, each {heading: cell}."""
    headings, *lines = prior_table(records(out))
    return [dict(zip(headings, line, strict=True)) for line in lines]


def write_energy_run(out, seed=0, joint=0.6, floor=0.3, top=0.8, **more):
    """EBM base, with its joint coherence, that of its p0 and that of the held-out aggregate."""
    run = write_run(out, "ebm-base", seed, joint=joint, config=ENERGY, **more)
    for name, value in (("base", floor), ("aggregate", top)):
        edit_json(measure_file(run, "joint"), "measures", f"joint_coherence_{name}", "value", value=value)
    return run


def coverage_set(run, value, protocol, samples):
    measures = {"coverage_to_aggregate": measure(value, protocol, 1000)}
    write_set(run, "coverage", measures, settings={"samples": samples})
