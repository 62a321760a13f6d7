"""The settings of an evaluation: how many samples, and what each evaluator and each fitted prior is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import Any

from bench.config.overrides import Path, parse_settings
from bench.config.presets import Preset, load_preset
from bench.config.schema import Amounts, EvaluationConfig
from bench.config.values import build, clipped, field_types, shown, with_later
from bench.errors import UsageError, unknown
from evaluators import EVALUATORS
from methods import fitted_priors, prior_fit_class

SECTIONS = ("evaluation", "evaluators", "priors")


def resolve_evaluation(
    dataset: str, preset: str, settings: Sequence[str], *, presets: Traversable | None = None
) -> EvaluationConfig:
    """The preset's evaluation with `--set`, for runs that are trained already.

    Args:
        presets: folder of the dataset's presets; None where the dataset is the project's own.

    Raises:
        UsageError: as `resolve`; also for a setting that is not the evaluation's.
    """
    parsed = parse_settings(settings)
    for path in parsed:
        if path[0] not in SECTIONS:
            raise UsageError(
                f"--set {'.'.join(path)}: a finished run takes settings of its evaluation alone: evaluation.samples, "
                "evaluators.NAME.KEY, priors.NAME.KEY. Train another run for the others"
            )
    return evaluation_config(load_preset(dataset, preset, presets), parsed)


@lru_cache(maxsize=32)
def preset_evaluation(preset: Preset) -> EvaluationConfig:
    """The evaluation of a preset as it is."""
    return evaluation_config(preset, {})


def evaluation_config(preset: Preset, settings: Mapping[Path, Any]) -> EvaluationConfig:
    """The preset's evaluation under further settings, whose paths begin with one of `SECTIONS`."""
    amounts = dict(preset.evaluation)
    parts = {
        "evaluators": {name: dict(preset.evaluators.get(name, {})) for name in EVALUATORS},
        "priors": {name: dict(preset.priors.get(name, {})) for name in (*fitted_priors(), *preset.priors)},
    }
    for (section, *rest), value in settings.items():
        key = ".".join([section, *rest])
        if section == "evaluation" and len(rest) == 1:
            _check(key, rest[0], field_types(Amounts))
            amounts[rest[0]] = value
        elif section != "evaluation" and len(rest) == 2:
            _check(key, rest[0], parts[section])
            _check(key, rest[1], field_types(settings_class(section, rest[0])))
            parts[section][rest[0]][rest[1]] = value
        else:
            form = "evaluation.samples" if section == "evaluation" else f"{section}.NAME.KEY"
            raise UsageError(f"unknown key {key!r}: expected {form}=VALUE")
    return build_evaluation({**amounts, **parts}, f"evaluation ({preset.name})")


def _check(key: str, part: str, allowed: Iterable[str]) -> None:
    if part not in (choices := list(allowed)):
        begin = key[: key.rindex(part)]
        raise UsageError(unknown("key", key, [begin + choice for choice in choices]))


def build_evaluation(tree: Mapping[str, Any], where: str, *, complete: bool = False) -> EvaluationConfig:
    """From plain values, as `EvaluationConfig.as_dict` gives them. Raises UsageError as `bench.config.values.build`."""
    amounts = {key: value for key, value in tree.items() if key not in ("evaluators", "priors")}
    parts: dict[str, dict[str, Any]] = {"evaluators": {}, "priors": {}}
    for section, built in parts.items():
        values = tree.get(section, {})
        if not isinstance(values, Mapping):
            raise UsageError(f"{where}: {section}: expected keys and values, got {shown(values)}")
        known = EVALUATORS if section == "evaluators" else fitted_priors()
        for name, own in values.items():
            if name not in known:
                raise UsageError(f"{where}: {section}: {unknown(section.removesuffix('s'), clipped(name), known)}")
            cls = settings_class(section, name)
            built[name] = build(cls, with_later(cls, own), f"{where}: {section}: {name}", complete=complete)
    counts = build(Amounts, amounts, where, complete=complete)
    return EvaluationConfig(counts.samples, counts.batch_size, **parts)


def settings_class(section: str, name: str) -> Any:
    """The dataclass of an evaluator's settings, or of the fit of a prior."""
    return EVALUATORS.load(name).Settings if section == "evaluators" else prior_fit_class(name)
