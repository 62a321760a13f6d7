"""Presets and the command line -> configurations: defaults < preset < the method's entry < `--set` and `--sweep`.

A setting's name says where it is: `trainer.lr`, `evaluation.samples`, `evaluators.likelihood.samples`,
`priors.mixture.components`, `modalities.m0.weight` (`modalities.*.weight` for all), and for keys of the method's own
`Config` the key alone: `beta`, `network=conv`, `prior=energy`, `prior.steps=20`. `--sweep` takes several values for a
key, `prior.steps=20,60`, and each is a configuration of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.resources.abc import Traversable

from bench.config.evaluation import SECTIONS as EVALUATION
from bench.config.evaluation import evaluation_config, resolve_evaluation
from bench.config.grid import Base, check_count, complaint, grids_of
from bench.config.overrides import parse_settings, parse_sweeps
from bench.config.presets import load_preset
from bench.config.restore import restore
from bench.config.schema import RunConfig, TrainerConfig, as_plain
from bench.config.trees import has
from bench.errors import UsageError, unknown
from methods import METHODS
from methods.modality import Modality

__all__ = ["applies", "resolve", "resolve_evaluation", "restore", "without"]  # what other packages call


def resolve(
    methods: Sequence[str],
    dataset: str,
    source: str,
    preset: str,
    settings: Sequence[str],
    sweeps: Sequence[str] = (),
    *,
    modalities: Sequence[Modality],
    fingerprint: str,
    presets: Traversable | None = None,
) -> list[RunConfig]:
    """The methods' configurations, for data of these modalities with this fingerprint.

    Several sweeps are a grid, of which every method has the part that it has keys for, each configuration once. A key
    must be known to at least one of the methods; the others go without it. Of two settings the more particular one
    counts, in whatever order they are given: `prior.steps` over `prior`, `modalities.m0.weight` over `modalities.*`.

    Args:
        presets: folder of the dataset's presets; None where the dataset is the project's own.

    Raises:
        UsageError: unknown method, preset or key, or a value of the wrong type or out of range; a method without an
            entry in the preset, or a preset for other sources; a key that is both set and swept, or swept twice; too
            many combinations.
    """
    if strangers := [name for name in methods if name not in METHODS]:
        raise UsageError(unknown("method", strangers[0], METHODS))
    loaded = load_preset(dataset, preset, presets, source)
    fixed, swept = parse_settings(settings), parse_sweeps(sweeps)
    if both := sorted(".".join(path) for path in fixed.keys() & swept.keys()):
        raise UsageError(f"{', '.join(both)}: both set and swept; keep one of them")
    if measured := [".".join(path) for path in swept if path[0] in EVALUATION]:
        raise UsageError(f"{measured[0]} cannot be swept: it is no setting of a run, but of `bench evaluate --set`")
    evaluation = evaluation_config(loaded, {path: v for path, v in fixed.items() if path[0] in EVALUATION})
    axes = {path: [value] for path, value in fixed.items() if path[0] not in EVALUATION} | swept
    bases = [Base.of(name, loaded, modalities) for name in methods]
    grids = [grid for base in bases for grid in grids_of(base, axes)]
    for path in axes:
        if not any(path in grid.words or path in grid.axes for grid in grids):
            raise UsageError(complaint(grids, path))
    check_count(sum(map(len, grids)))
    configs = [
        RunConfig(grid.base.name, dataset, source, fingerprint, preset, evaluation=evaluation, **point)
        for grid in grids
        for point in grid.points()
    ]
    return distinct(configs)


def distinct(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Each configuration once. Raises UsageError where two of them have the same hash, and so the same folder."""
    once = list({config.identity: config for config in configs}.values())
    if len({config.hash for config in once}) < len(once):
        shared, _ = Counter(config.hash for config in once).most_common(1)[0]
        raise UsageError(
            f"two of these {len(once)} configurations have the hash {shared}, which names their folders: sweep them in "
            "two parts, each with an output folder of its own"
        )
    return once


def applies(config: RunConfig, setting: str) -> bool:
    """Whether a well-formed `KEY=VALUE` names a key of the run, given its prior."""
    head, *rest = setting.partition("=")[0].split(".")
    if head in EVALUATION:
        return True
    if head == "modalities":
        return rest[0] == "*" or rest[0] in config.modalities
    if head == "trainer":
        return has(TrainerConfig, {}, rest)
    return has(type(config.model), {head: as_plain(getattr(config.model, head, None))}, [head, *rest])


def without(configs: Sequence[RunConfig], setting: str) -> list[str]:
    """The methods that a setting does not apply to; those it applies to under some priors only, with the others."""
    lacking: dict[str, None] = {}
    having = {config.method for config in configs if applies(config, setting)}
    for config in configs:
        if config.method not in having:
            lacking[config.method] = None
        elif not applies(config, setting):
            lacking[f"{config.method} with prior={config.model.prior.name}"] = None
    return list(lacking)
