"""Priors of finished runs, fitted to the training split's aggregate posterior.

What is stored of a fitted prior is its settings and what was measured of it, and not its parameters: a fit is a
function of the run's checkpoint, its seed and the settings, so the same fit again gives the same prior.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from torch import Tensor

from bench.config.evaluation import resolve_evaluation
from bench.config.schema import as_plain
from bench.config.values import build
from bench.datasets.base import Split
from bench.errors import UsageError, unknown
from bench.runs import reading
from bench.runs.measured import read_prior
from bench.runs.reading import Unreadable
from bench.runs.run import Run
from bench.training.latents import aggregate_posterior
from methods import fitted_priors, prior_fit_class
from methods.base import Method, Streams
from methods.priors.base import FitConfig
from methods.priors.fitting import Standardised, fit_prior

CLOSE = 1e-3  # relative: the last digits depend on threads and libraries


class Fit(NamedTuple):
    """A fit of a prior: its name in tables, its settings, and what came of it where it was done before."""

    label: str
    config: FitConfig
    record: Mapping[str, Any]


def training_latents(run: Run, method: Method, train: Split) -> Tensor:
    """One z ~ q(z | X) per training tuple X [N, D], which all priors are fitted to."""
    return aggregate_posterior(method.eval(), train, Streams(3_000_000 + run.seed, train.device))


def fit_to_run(run: Run, name: str, config: FitConfig, z: Tensor, method: Method) -> Standardised:
    """The prior of that name fitted to those latents."""
    return fit_prior(name, config, z, method.prior, Streams(4_000_000 + run.seed, z.device))


def label_of(prior: str, config: Any) -> str:
    """The prior's name in tables, with the settings that are not its defaults: "mixture components=50"."""
    ours, defaults = as_plain(config), as_plain(type(config)())
    return " ".join([prior, *(f"{key}={value}" for key, value in ours.items() if value != defaults[key])])


def chosen_fit(run: Run, name: str, changes: Mapping[str, Any], presets: Traversable) -> Fit:
    """The fit that a prior's name and settings mean for a run.

    With settings it is the preset's fit with those changed. Without any it is the run's one stored fit of that prior,
    or the preset's where none is stored.

    Args:
        presets: folder of the dataset's presets.

    Raises:
        UsageError: for an unknown prior or setting, and without settings where several fits are stored.
    """
    if name not in fitted_priors():
        raise UsageError(unknown("fitted prior", name, fitted_priors()))
    stored = list(stored_fits(run, name))
    if not changes and len(stored) > 1:
        raise UsageError(
            f"{run.path} has several fits of {name!r} ({'; '.join(fit.label for fit in stored)}): say which, by its "
            "settings"
        )
    if not changes and stored:
        return stored[0]
    preset = resolve_evaluation(run.config.dataset, run.config.preset, [], presets=presets).priors[name]
    config = build(type(preset), {**as_plain(preset), **changes}, f"prior {name}")
    same = [fit for fit in stored if fit.config == config]
    return same[0] if same else Fit(label_of(name, config), config, {})


def stored_fits(run: Run, name: str) -> Iterator[Fit]:
    """The fits of a prior in the run's files; what cannot be read, or is of another version, is left out."""
    for path in sorted(run.priors_folder.glob("*.json")):
        try:
            part = read_prior(path)
            if part.prior == name:
                record = reading.mapping(reading.read_tree(path).get("record") or {}, "record")
                cls: Any = prior_fit_class(name)
                yield Fit(part.label, build(cls, json.loads(part.settings), str(path), complete=True), record)
        except (Unreadable, UsageError):
            continue


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    """Where the records of one fit and of the same fit again differ by more than the last digits."""
    return [f"{key} {before[key]} and {now.get(key)}" for key in before if not _close(before[key], now.get(key))]


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_close, a, b))
    return bool(a == b)
