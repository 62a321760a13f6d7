"""The leaderboard for LaTeX."""

import re

from bench.reporting.leaderboard import make_tables
from bench.reporting.tex import escaped, tex
from tests.bench.rundirs import write_prior, write_published, write_run


def tex_of(out):
    return tex(make_tables(out)[0])


def lines_of(text):
    """{method and prior: cells}."""
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r"\\")]
    return {" ".join(row[:2]): row[2:] for row in rows}


def write_seeds(out, method, values, **more):
    for seed, value in enumerate(values):
        write_run(out, method, seed, joint=value, **more)


def test_bold_is_the_best_and_what_its_interval_overlaps(tmp_path):
    write_seeds(tmp_path, "mmvae", (0.80, 0.82, 0.84))
    write_seeds(tmp_path, "mopoe", (0.79, 0.81, 0.83))
    write_seeds(tmp_path, "mvae", (0.30, 0.31, 0.32))
    lines = lines_of(tex_of(tmp_path))
    assert [r"\textbf" in lines[f"{method} laplace"][1] for method in ("mmvae", "mopoe", "mvae")] == [True, True, False]


def test_one_model_and_collapsed_ones_are_never_bold(tmp_path):
    write_seeds(tmp_path, "mmvae", (0.5, 0.51))
    write_seeds(tmp_path, "mopoe", (0.98, 0.99), entropy=0.1)
    write_run(tmp_path, "mvae", joint=0.9)
    lines = lines_of(tex_of(tmp_path))
    assert r"\textbf" in lines["mmvae laplace"][1]
    assert r"\textbf" not in lines["mopoe laplace"][1] + lines["mvae laplace"][1]


def test_it_is_one_table_per_section_with_rules_of_booktabs(tmp_path):
    write_published(write_run(tmp_path), 0.5, 0.6)
    write_run(tmp_path, preset="smoke", joint=None, config_hash="deadbeef")
    text = tex_of(tmp_path)
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 2
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        assert {line.count(" & ") + 1 for line in body.splitlines() if line.endswith(r"\\")} == {len(columns)}


def test_fitted_priors_follow_below_a_rule(tmp_path):
    write_prior(write_run(tmp_path), "flow", 0.7, label="flow_2")
    text = tex_of(tmp_path)
    assert text.count(r"\midrule") == 2
    assert lines_of(text)[r"mmvae flow\_2 (fitted)"]


def test_text_is_printed_as_it_is():
    assert escaped("a_b & 50% $x^2$ \\input{x} ~#\x1b") == (
        r"a\_b \& 50\% \$x\textasciicircum{}2\$ \textbackslash{}input\{x\} \textasciitilde{}\#"
    )


def test_no_runs_are_no_table(tmp_path):
    (tmp_path / "runs").mkdir()
    assert r"\begin" not in tex_of(tmp_path)
