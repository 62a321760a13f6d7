"""report.html: one file with everything that a reader of a benchmark asks for, made from the runs alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

import bench
from bench.errors import printable
from bench.reporting.grouping import MOST
from bench.reporting.leaderboard import rows_with_runs
from bench.reporting.page import leaders, plots, trust
from bench.reporting.page.charts import Chart
from bench.reporting.page.gallery import Album, gallery_of
from bench.reporting.page.heat import heat_of
from bench.reporting.page.libraries import charts_script, embeddable, source_hash, tables_script
from bench.reporting.page.sections import Section, sections_of
from bench.runs.store import write_text

NAME = "report.html"
TEMPLATES = resources.files(__name__) / "templates"
BREAKS = re.compile(r"(?<=[_=/])|(?<=\.)(?=\D)")
ORIGINS = 300  # rows whose settings are in the page: of more, the folders have them


def write_page(out: Path, runs: pd.DataFrame, failed: pd.DataFrame, problems: Sequence[str] = ()) -> Path:
    """Writes OUT/report.html. All text from runs is shown as text, and nothing is loaded from elsewhere.

    Args:
        problems: what was left out of the tables, in sentences.

    Raises:
        BenchError: a library that is embedded is missing.
        OSError: the file cannot be written; it names it.
    """
    path = out / NAME
    write_text(path, page(runs, failed, problems))
    return path


def page(runs: pd.DataFrame, failed: pd.DataFrame, problems: Sequence[str] = ()) -> str:
    """The page's HTML. Raises BenchError as `write_page`."""
    found = list(problems)
    rows = rows_with_runs(runs, failed)
    sections, entries = sections_of([row for row, _ in rows], runs), leaders.entries_of(rows)
    album = Album(found.append)
    parts = [_part(section, album, found) for section in sections]
    charts: dict[str, Chart] = {chart.name: chart for part in parts for chart in part["charts"].values()}
    context = {
        "sections": parts,
        "entries": entries,
        "filters": _filters(entries),
        "columns": leaders.columns_of(entries),
        "published": any(entry.row["published_source"] for entry in entries),
        "origins": {entry.name: trust.origin_of(entry) for entry in entries[:ORIGINS]},
        "specs": {name: chart.spec for name, chart in charts.items() if not chart.empty},
        "failures": trust.failures_of(failed),
        "obstacles": trust.obstacles_of(entries),
        "absences": trust.absences_of(runs),
        "problems": [printable(problem) for problem in found],
        "counts": _counts(runs, failed),
        "version": bench.__version__,
        "most": MOST,
    }
    return _render(context)


def _part(section: Section, album: Album, problems: list[str]) -> dict[str, Any]:
    """What the templates show of a section."""
    drawn = {
        "coherence": plots.coherence_chart(section),
        "diversity": plots.diversity_chart(section),
        "seeds": plots.seeds_chart(section),
        "cost": plots.cost_chart(section),
        "training": plots.training_chart(section, problems.append),
    }
    return {
        "section": section,
        "leader": leaders.leader_of(section),
        "pairs": leaders.pairs_of(section),
        "gallery": gallery_of(section, album),
        "heat": heat_of(section.priors),
        "accuracies": trust.accuracies_of(section),
        "energies": trust.energies_of(section.priors),
        "charts": {name: chart for name, chart in drawn.items() if not chart.empty},
    }


def _filters(entries: Sequence[leaders.Entry]) -> dict[str, list[str]]:
    """The choices of each filter of the leaderboard."""
    keys = ("dataset", "source", "preset")
    found = {key: sorted({str(entry.row[key]) for entry in entries}) for key in keys}
    return {**found, "prior": sorted({entry.prior for entry in entries})}


def _counts(runs: pd.DataFrame, failed: pd.DataFrame) -> dict[str, int]:
    trained = {str(path) for path in runs["path"]} if len(runs) else set()
    methods = set(runs["method"]) if len(runs) else set()
    return {"runs": len(trained), "methods": len(methods), "failed": len(failed)}


def _render(context: Mapping[str, Any]) -> str:
    loader = jinja2.FunctionLoader(lambda name: (TEMPLATES / name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": _number, "percent": _percent, "counts": _grouped, "breakable": _breakable}
    scripts = [charts_script(), tables_script(), embeddable((TEMPLATES / "page.js").read_text(encoding="utf-8"))]
    policy = f"default-src 'none'; script-src {' '.join(map(source_hash, scripts))}; style-src 'unsafe-inline'; "
    policy += "img-src data:; base-uri 'none'; form-action 'none'"
    style = re.sub(r"\s+", " ", (TEMPLATES / "page.css").read_text(encoding="utf-8"))
    own = {"policy": policy, "style": Markup(style), "scripts": [Markup(script) for script in scripts]}
    return environment.get_template("page.html").render(**context, **own)


def _number(value: float | None, form: str = ".3f") -> str:
    return "" if value is None or math.isnan(value) else format(value, form)


def _grouped(text: str) -> str:
    """A number, or several, with their thousands apart."""
    return " ".join(f"{int(word):,}" if word.isdecimal() else word for word in str(text).split())


def _breakable(text: str) -> Markup:
    """A line may end within a setting's name, and not within a word of it."""
    return Markup(BREAKS.sub("<wbr>", str(escape(text))))  # no escape has any of these characters


def _percent(value: float) -> str:
    """Of a bar: a place in [0, 1], as SVG takes it."""
    return f"{100 * min(1.0, max(0.0, value)):.2f}%"
