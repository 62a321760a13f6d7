"""Presets (YAML) and command-line settings -> frozen dataclasses. Every unknown key is an error.

A preset has the sections `trainer` and `evaluation`, and under `methods` the settings of each method: keys of the
method's own `Config`, and a `trainer` section for what differs from the preset's. `--set` writes into the same tree:
`trainer.lr=1e-3`, `evaluation.samples=2000`, and `beta=2.5` or `prior.steps=20` for keys of the method. `--sweep` takes
several values for a key, `prior.steps=20,60`, and each is a configuration of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import yaml

from bench.errors import UsageError, unknown
from methods import METHODS, method_class
from methods.base import require

T = typing.TypeVar("T")

PRESETS = ("smoke", "quick", "paper")
SECTIONS = ("trainer", "evaluation")


@dataclass(frozen=True)
class TrainerConfig:
    """Adam on minibatches of the shuffled training split; the last, incomplete batch of an epoch is dropped."""

    epochs: int = 150
    batch_size: int = 128
    lr: float = 1e-3
    amsgrad: bool = True
    schedule: Literal["constant", "cosine"] = "constant"  # of the learning rates; cosine ends at 2 %
    warmup: float = 0.0  # share of the training over which the learning rate grows from 0

    def __post_init__(self) -> None:
        require(
            epochs=(self.epochs, self.epochs >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 2, "≥ 2"),
            lr=(self.lr, self.lr > 0, "> 0"),
            warmup=(self.warmup, 0 <= self.warmup < 1, "in [0, 1)"),
        )


@dataclass(frozen=True)
class EvaluationConfig:
    """How many latents and test tuples the measures use."""

    samples: int = 10_000  # prior samples; also the most test tuples that are used
    batch_size: int = 1000

    def __post_init__(self) -> None:
        require(
            samples=(self.samples, self.samples >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 1, "≥ 1"),
        )


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run's numbers, but for the seed and the data themselves."""

    method: str
    dataset: str
    source: str
    preset: str
    model: Any  # an instance of the method's Config
    trainer: TrainerConfig
    evaluation: EvaluationConfig

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def hash(self) -> str:
        """First 8 hex digits of the SHA-256 of the resolved configuration, the preset's name left out."""
        content = {key: value for key, value in self.as_dict().items() if key != "preset"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


def load_preset(name: str) -> dict[str, Any]:
    """The preset's tree. Raises UsageError for an unknown name or an unknown section or method in the file."""
    if name not in PRESETS:
        raise UsageError(unknown("preset", name, PRESETS))
    tree: dict[str, Any] = yaml.safe_load(
        (resources.files("bench.config") / "presets" / "polymnist" / f"{name}.yaml").read_text()
    )
    for key in tree:
        if key not in (*SECTIONS, "methods"):
            raise UsageError(f"{name}.yaml: {unknown('section', key, (*SECTIONS, 'methods'))}")
    for key in tree["methods"]:
        if key not in METHODS:
            raise UsageError(f"{name}.yaml: {unknown('method', key, METHODS)}")
    return tree


def parse_settings(settings: Sequence[str]) -> dict[tuple[str, ...], Any]:
    """["prior.steps=20"] -> {("prior", "steps"): 20}; values are read as YAML scalars."""
    parsed: dict[tuple[str, ...], Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {setting!r}: expected KEY=VALUE, such as trainer.lr=1e-3 or prior.steps=20")
        try:
            parsed[tuple(key.split("."))] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UsageError(f"--set {setting!r}: the value {value!r} cannot be read") from None
    return parsed


def parse_sweeps(sweeps: Sequence[str]) -> dict[tuple[str, ...], list[Any]]:
    """["prior.steps=20,60"] -> {("prior", "steps"): [20, 60]}; each value is read as that of `--set` is."""
    parsed: dict[tuple[str, ...], list[Any]] = {}
    for sweep in sweeps:
        key, _, values = sweep.partition("=")
        path = tuple(key.split("."))
        if not key or not values.strip():
            raise UsageError(f"--sweep {sweep!r}: expected KEY=VALUE,VALUE, such as trainer.lr=1e-3,5e-4")
        if path in parsed:
            raise UsageError(f"--sweep {key} is given twice; name all its values at once: {key}=VALUE,VALUE")
        try:
            # A YAML list, so that a value may have commas of its own: prior.betas=[0,0.9],[0.5,0.999]
            parsed[path] = yaml.safe_load(f"[{values}]")
        except yaml.YAMLError:
            raise UsageError(f"--sweep {sweep!r}: the values {values!r} cannot be read") from None
    return parsed


def resolve(
    methods: Sequence[str],
    dataset: str,
    source: str,
    preset: str,
    settings: Sequence[str],
    sweeps: Sequence[str] = (),
) -> list[RunConfig]:
    """The methods' configurations: dataclass defaults < preset < the method's part of it < `--set`, `--sweep`.

    Several sweeps are a grid, of which every method has the part that it has keys for, each configuration once. A key
    must be known to at least one of the methods; the others go without it.

    Raises:
        UsageError: unknown method, preset or key, or a value of the wrong type or out of range; a key that is both set
            and swept, or swept twice.
    """
    for name in methods:
        if name not in METHODS:
            raise UsageError(unknown("method", name, METHODS))
    tree = load_preset(preset)
    fixed, swept = parse_settings(settings), parse_sweeps(sweeps)
    for option, path in [*(("--set", path) for path in fixed), *(("--sweep", path) for path in swept)]:
        if not any(applies(name, ".".join(path)) for name in methods):
            raise UsageError(f"{option} {'.'.join(path)}: {_complaint(methods, path)}")
    if both := sorted(".".join(path) for path in fixed.keys() & swept.keys()):
        raise UsageError(f"{', '.join(both)}: given to --set and to --sweep; keep one of them")
    configs = [
        _resolve_one(name, dataset, source, preset, tree, fixed | point)
        for name in methods
        for point in _grid(name, swept)
    ]
    return list({config.hash: config for config in configs}.values())


def _grid(method: str, swept: Mapping[tuple[str, ...], list[Any]]) -> list[dict[tuple[str, ...], Any]]:
    """The points of a sweep over the keys that the method has; without such keys the one empty point."""
    axes = {path: values for path, values in swept.items() if applies(method, ".".join(path))}
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


def applies(method: str, setting: str) -> bool:
    """Whether a well-formed `KEY=VALUE` names a key of this method's run."""
    path = tuple(setting.partition("=")[0].split("."))
    return _known(_root(method, path), path)


def _resolve_one(
    name: str, dataset: str, source: str, preset: str, tree: dict[str, Any], settings: dict[tuple[str, ...], Any]
) -> RunConfig:
    own = dict(tree["methods"].get(name) or {})
    sections = {key: {**(tree.get(key) or {}), **(own.pop(key, None) or {})} for key in SECTIONS}
    merged: dict[str, Any] = {**own, **sections}
    for path, value in settings.items():
        if applies(name, ".".join(path)):
            merged = _with(merged, path, value)
    where = f"{name} ({preset})"
    return RunConfig(
        method=name,
        dataset=dataset,
        source=source,
        preset=preset,
        trainer=build(TrainerConfig, merged.pop("trainer"), f"{where}: trainer"),
        evaluation=build(EvaluationConfig, merged.pop("evaluation"), f"{where}: evaluation"),
        model=build(method_class(name).Config, merged, where),
    )


def restore(tree: Mapping[str, Any], where: str) -> RunConfig:
    """The configuration whose `as_dict` was written as `tree`. Raises UsageError where this code knows it no more."""
    names = {key: tree[key] for key in ("method", "dataset", "source", "preset")}
    if names["method"] not in METHODS:
        raise UsageError(f"{where}: {unknown('method', names['method'], METHODS)}")
    return RunConfig(
        **names,
        model=build(method_class(names["method"]).Config, tree["model"], f"{where}: model"),
        trainer=build(TrainerConfig, tree["trainer"], f"{where}: trainer"),
        evaluation=build(EvaluationConfig, tree["evaluation"], f"{where}: evaluation"),
    )


def _root(method: str, path: tuple[str, ...]) -> type:
    """The dataclass in which the path starts."""
    sections = {"trainer": TrainerConfig, "evaluation": EvaluationConfig}
    return sections.get(path[0], method_class(method).Config)


def _known(cls: Any, path: tuple[str, ...]) -> bool:
    keys = path[1:] if path[0] in SECTIONS else path
    for key in keys:
        if not dataclasses.is_dataclass(cls) or key not in (hints := typing.get_type_hints(cls)):
            return False
        cls = hints[key]
    return bool(keys) and not dataclasses.is_dataclass(cls)


def _complaint(methods: Sequence[str], path: tuple[str, ...]) -> str:
    allowed = sorted({key for name in methods for key in _leaves(method_class(name).Config)})
    allowed += [f"{section}.{key}" for section in SECTIONS for key in _leaves(_root(methods[0], (section,)))]
    return unknown("key", ".".join(path), allowed)


def _leaves(cls: Any) -> list[str]:
    leaves = []
    for key, hint in typing.get_type_hints(cls).items():
        leaves += [f"{key}.{leaf}" for leaf in _leaves(hint)] if dataclasses.is_dataclass(hint) else [key]
    return leaves


def _with(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of the tree with `value` at `path`."""
    head, *rest = path
    return {**tree, head: _with(tree.get(head) or {}, tuple(rest), value) if rest else value}


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` from plain values, each coerced to its field's declared type.

    Raises UsageError that says where, for an unknown key, a value of the wrong type or out of range.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: expected keys and values, got {values!r}")
    hints = typing.get_type_hints(cls)
    arguments = {}
    for key, value in values.items():
        if key not in hints:
            raise UsageError(f"{where}: {unknown('key', key, hints)}")
        arguments[key] = _coerce(hints[key], value, f"{where}: {key}")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _coerce(hint: Any, value: Any, where: str) -> Any:
    """By declared type, so that YAML's reading of 1e-3 as text does no harm."""
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, where)
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        if value not in options:
            raise UsageError(f"{where}: {unknown('value', str(value), options)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or len(value) != len(options):
            raise UsageError(f"{where}: expected {len(options)} values, got {value!r}")
        return tuple(_coerce(option, item, where) for option, item in zip(options, value, strict=True))
    if origin is types.UnionType:
        if value is None and types.NoneType in options:
            return None
        (hint,) = (option for option in options if option is not types.NoneType)
    if hint is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            if math.isfinite(number := float(value)):
                return number
    elif hint is type(value):
        return value
    raise UsageError(f"{where}: expected {hint.__name__}, got {value!r}")
