"""The leaderboard for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.reporting import NOTHING
from bench.reporting.changes import settings_of, shared_likelihoods, without
from bench.reporting.frames import records
from bench.reporting.grouping import by_section, section_title
from bench.reporting.health import STRAINED
from bench.reporting.measures import absent_lines, further_lines
from bench.reporting.prior_lines import prior_table
from bench.reporting.priors import priors_table
from bench.reporting.rows import COLLAPSED, OWN, PUBLISHED
from bench.reporting.statistics import interval

ONE_MODEL = (
    "One model each, sorted by name. Their intervals are binomial: each speaks of that one trained model. Another seed "
    "may move a value by far more, so nothing is ranked here."
)
REFERENCE = "reference: z encoded from held-out tuples"
PRIORS = (
    "Priors of the shared latent z: means over seeds with 95 % Student-t intervals; one seed has none, and another "
    "seed may move its values by more than the priors differ. Encoders and decoders are the same in all lines of a "
    "model. p0 is the base of an energy prior; any other own prior is its own p0. Fitted priors are fitted to the "
    "aggregate posterior of the training split. The bootstrap takes z of random training tuples, the held-out "
    "aggregate those of held-out ones: what a perfect fit gives, and no bound. Gap closed: from p0 (0 %) to the "
    "held-out aggregate (100 %), run by run. Coverage, precision and recall: against decoded samples of the held-out "
    "aggregate. Within-class variance: of coherent samples, as a ratio to real items. log p(z): of held-out latents, "
    "nats per dimension. priors.csv has every run, and more measures."
)

Row = Mapping[Any, Any]


def markdown(table: pd.DataFrame, runs: pd.DataFrame, failed: pd.DataFrame) -> str:
    """One section per dataset, source, preset, data and evaluation, then what failed and why."""
    lines = ["# Leaderboard", "", *([] if len(table) or len(failed) else [NOTHING, ""])]
    sections = by_section(records(table))
    of_section = by_section(records(runs))
    priors = by_section(records(priors_table(runs)))
    titles = [section_title(rows[0]) for rows in sections.values()]
    for (key, rows), title in zip(sections.items(), titles, strict=True):
        evaluation = f", {rows[0]['evaluation']}" if titles.count(title) > 1 else ""
        own = [row for row in rows if row["prior"] == OWN]
        shared = shared_likelihoods([row["settings"] for row in own])
        own = [{**row, "settings": without(row["settings"], shared)} for row in own]
        lines += [
            f"## {title}{evaluation}",
            "",
            f"{_classifiers(own or rows)}Data {rows[0]['data_fingerprint']}. {_protocols(own or rows)}.",
            "",
            *([f"Likelihoods of all rows: {' '.join(shared)}.", ""] if shared else []),
            *_leaderboard_lines(own),
            *_prior_lines(priors[key]),
            *_warning_lines(rows),
            *further_lines(of_section[key]),
            *absent_lines(of_section[key]),
        ]
    return "\n".join([*lines, *_failed_lines(records(failed))])


def _join(separator: str, rows: Sequence[Row], key: str) -> str:
    return separator.join(dict.fromkeys(str(row[key]) for row in rows))


def _protocols(rows: Sequence[Row]) -> str:
    asked = [row for row in rows if _has_published(row)]
    return "; ".join(filter(None, [_join("; ", rows, "protocol"), _join("; ", asked, "published_protocol")]))


def _has_published(row: Row) -> bool:
    """Whether the published classifiers were asked about it."""
    return not all(math.isnan(row[metric]) for metric in PUBLISHED.values())


def _classifiers(rows: Sequence[Row]) -> str:
    ours, published = (_known_mean(rows, f"{of}classifier_accuracy") for of in ("", "published_"))
    if math.isnan(ours):
        return ""
    beside = "" if math.isnan(published) else f", of the published classifiers {published:.4f}"
    return f"Classifier accuracy on real test items: {ours:.4f}{beside}. "


def _known_mean(rows: Sequence[Row], key: str) -> float:
    known = [row[key] for row in rows if not math.isnan(row[key])]
    return sum(known) / len(known) if known else math.nan


def _leaderboard_lines(rows: Sequence[Row]) -> list[str]:
    """Rows of several seeds, best first; then those of one."""
    several, one = [row for row in rows if row["seeds"] > 1], [row for row in rows if row["seeds"] == 1]
    lines = [*_table(several), *([ONE_MODEL, "", *_table(one)] if one else [])]
    if any(row["collapsed_seeds"] for row in rows):
        lines += [
            f"COLLAPSED: the entropy of the joint samples' labels is below {COLLAPSED:.0%} of that of real items' "
            "labels (or of even ones, where an earlier version measured it). Such a model draws few of the classes, "
            "and its joint coherence says little.",
            "",
        ]
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    swept, asked = any(row["settings"] for row in rows), any(map(_has_published, rows))
    sources = [name for name in dict.fromkeys(row["published_source"] for row in rows) if name]
    printed = f" ({', '.join(sources)})" if sources else ""
    headings = [
        *["method", "prior", "seeds", "joint coherence", "entropy of its labels", "from p0", REFERENCE],
        *["cross coherence", *[f"{name} by the published classifiers" for name in PUBLISHED] * asked],
        *[f"published joint{printed}", f"published cross{printed}", "verdict"],
        *["training s", "samples/s", "config", *["settings"] * swept],
    ]
    lines = [_line(headings), "|---" * len(headings) + "|"]
    return [*lines, *(_line([*_cells(row, asked), *[row["settings"]] * swept]) for row in rows), ""]


def _line(cells: Sequence[str]) -> str:
    # A bar in a cell would break the table.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _cells(row: Row, asked: bool) -> list[str]:
    joint, cross = row["joint_verdict"], row["cross_verdict"]
    return [
        row["method"],
        row["trained_prior"],
        f"{row['seeds']}" + (f" (+{row['failed_seeds']} failed)" if row["failed_seeds"] else ""),
        interval(row, "joint_coherence"),
        _entropy(row),
        _number(row["joint_coherence_base"]),
        _number(row["joint_coherence_aggregate"]),
        interval(row, "cross_coherence"),
        *[interval(row, metric) for metric in PUBLISHED.values()] * asked,
        _printed(row, "joint"),
        _printed(row, "cross"),
        joint if joint == cross else f"joint {joint}, cross {cross}",
        f"{row['train_seconds']:.0f}",
        f"{row['samples_per_second']:.0f}",
        row["config_hash"],
    ]


def _number(value: float) -> str:
    return "absent" if math.isnan(value) else f"{value:.3f}"


def _entropy(row: Row) -> str:
    value, real = row["joint_entropy"], row["joint_entropy_real"]
    if math.isnan(value):
        return ""
    of = "" if math.isnan(real) else f" of {real:.2f}"
    collapsed = row["collapsed_seeds"]
    seeds = "" if row["seeds"] == 1 else f" in {collapsed} of {row['seeds']}"
    return f"{value:.2f}{of}" + (f", COLLAPSED{seeds}" if collapsed else "")


def _printed(row: Row, name: str) -> str:
    value, difference = row[f"published_{name}"], row[f"{name}_difference"]
    if math.isnan(value):
        return ""
    return f"{value:.3f}" + ("" if math.isnan(difference) else f" ({difference:+.3f})")


def _prior_lines(rows: Sequence[Row]) -> list[str]:
    """The table of priors."""
    headings, *lines = prior_table(rows)
    return [PRIORS, "", _line(headings), "|---" * len(headings) + "|", *map(_line, lines), ""]


def _warning_lines(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the chains of energy priors, the worst first."""
    found = sorted((row for row in rows if row["warning"]), key=lambda row: row["warning"].startswith(STRAINED))
    lines = []
    for row in found:
        mark = "" if row["warning"].startswith(STRAINED) else "**WARNING** "
        prior = f"own {row['trained_prior']} prior" if row["prior"] == OWN else f"fitted {row['prior']} prior"
        lines.append(f"- {mark}{row['method']} {row['config_hash']}, {prior}: {row['warning']}")
    return [*lines, ""] if lines else []


def _failed_lines(failed: Sequence[Row]) -> list[str]:
    if not failed:
        return []
    headings = ["method", "dataset", "preset", "seed", "cause", "settings"]
    lines = ["## Failed", "", _line(headings), "|---" * len(headings) + "|"]
    for row in failed:
        cells = [row["method"], f"{row['dataset']} ({row['source']})", row["preset"], f"{row['seed']}"]
        lines.append(_line([*cells, f"{row['kind']}: {row['message']}", settings_of(row["config"])]))
    return [*lines, ""]
