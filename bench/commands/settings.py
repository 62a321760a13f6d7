"""What `--set` and `--sweep` may say, for a shell that completes it: the keys of what is on the line, and their words.

The rules are those of `bench.config.resolve`, on settings as their classes declare them: which keys are below `prior`
depends on the prior that the line, the preset or the method's class names.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from bench.commands.declared import Declared, Field, attribute, constant, fields, find, registered
from bench.config.folders import presets_folder
from bench.datasets import DATASETS
from bench.errors import UsageError
from evaluators import EVALUATORS
from methods import METHODS, PRIORS

SCHEMA = "bench.config.schema"
OF_LIKELIHOODS = ("likelihood", "scale", "weight")

Keys = Iterator[tuple[str, Field]]


def settings(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> dict[str, str]:
    """Of `--set`: {completion: meaning}. `bench evaluate` names no methods, and takes settings of the evaluation."""
    trains = hasattr(parsed_args, "methods") or hasattr(parsed_args, "method")
    sources = [lambda: of_runs(parsed_args)] if trains else []
    return _completions(prefix, [*sources, of_evaluation], _one_of)


def sweeps(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> dict[str, str]:
    """Of `--sweep`, whose values are a list with commas."""
    return _completions(prefix, [lambda: of_runs(parsed_args)], _several_of)


def _completions(
    prefix: str, sources: Sequence[Callable[[], Keys]], values: Callable[[str, Sequence[str]], Iterable[str]]
) -> dict[str, str]:
    key, equals, value = prefix.partition("=")
    found: dict[str, Field] = {}
    for name, field in (pair for source in sources for pair in source()):
        others = found.get(name, field).words  # a key of several methods may have other words in each
        found[name] = field._replace(words=tuple(dict.fromkeys([*others, *field.words])))
    if equals:
        words = found[key].words if key in found else ()
        return {f"{key}={word}": "" for word in values(value, words)}
    # A shell leaves no space after `=` where the meaning is told, which zsh needs to see the end of the word.
    return {f"{name}=": field.meaning or "a setting" for name, field in found.items()}


def _one_of(_value: str, words: Sequence[str]) -> Iterable[str]:
    return words


def _several_of(value: str, words: Sequence[str]) -> Iterable[str]:
    before, comma, _last = value.rpartition(",")
    return [f"{before}{comma}{word}" for word in words if word not in before.split(",")]


def of_runs(line: argparse.Namespace) -> Keys:
    """The keys of the methods, the dataset and the preset on the line; those of all methods where it names none."""
    dataset = getattr(line, "dataset", None) or next(iter(DATASETS))
    preset = _preset(dataset, getattr(line, "preset", None) or "quick")
    chosen = _chosen(line)
    named = (getattr(line, "methods", None) or getattr(line, "method", None) or "").split(",")
    for name in [name for name in named if name in METHODS] or METHODS:
        entry = _section(_section(preset, "methods"), _entry(name, preset))
        yield from _below(attribute(registered(METHODS, name), "Config"), entry, chosen)
    yield from _named("trainer", fields(find(SCHEMA, "TrainerConfig")))
    likelihood = fields(find(SCHEMA, "LikelihoodConfig"))
    for modality in dict.fromkeys(["*", *_section(preset, "modalities")]):
        yield from _named(f"modalities.{modality}", {key: likelihood[key] for key in OF_LIKELIHOODS})


def of_evaluation() -> Keys:
    """The keys of the evaluation, of every evaluator, and of the fit of every prior."""
    yield from _named("evaluation", fields(find(SCHEMA, "Amounts")))
    for section, registry, of in (("evaluators", EVALUATORS, "Settings"), ("priors", PRIORS, "FitConfig")):
        for name in registry:
            yield from _named(f"{section}.{name}", fields(attribute(registered(registry, name), of)))


def _named(section: str, found: Mapping[str, Field]) -> Keys:
    for key, field in found.items():
        yield f"{section}.{key}", field


def _below(cls: Declared | None, entry: Mapping[str, Any], chosen: Mapping[str, Sequence[str]]) -> Keys:
    """The keys of a dataclass and of those within it.

    Args:
        entry: the preset's values.
        chosen: priors that the line names, by the key that they stand at.
    """
    for key, field in fields(cls).items():
        if field.below is None:
            yield key, field
        elif field.below.is_prior:
            yield key, field._replace(words=tuple(name for name in PRIORS if _prior(name)))
            for name in chosen.get(key) or [_name_of(entry.get(key)) or _its_name(field.default)]:
                own = fields(_prior(name)) if name in PRIORS else {}
                yield from _named(key, {inner: found for inner, found in own.items() if inner != "name"})
        else:
            inner = fields(field.below)
            if all(found.words for found in inner.values()):  # one word stands for all of them
                yield key, field._replace(words=_shared([found.words for found in inner.values()]))
            yield from _named(key, inner)


def _shared(choices: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(word for word in choices[0] if all(word in others for others in choices))


def _prior(name: str) -> Declared | None:
    """The settings of a prior that is trained with a model; None where it cannot be."""
    found = attribute(registered(PRIORS, name), "Config")
    return found if found and fields(found) else None


def _its_name(default: Declared | None) -> Any:
    """Of the prior that a class of settings is of."""
    name = fields(default).get("name")
    return name.default if name else None


def _name_of(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else value


def _chosen(line: argparse.Namespace) -> dict[str, list[str]]:
    """What the line sets keys to, and sweeps them over."""
    given = [text for option in ("set", "settings", "sweep") for text in getattr(line, option, None) or ()]
    pairs = [setting.partition("=") for setting in given]
    return {key: value.split(",") for key, equals, value in pairs if equals}


def _preset(dataset: str, preset: str) -> Mapping[str, Any]:
    """Of the project's own datasets: another would have to be imported. Nothing where it cannot be read."""
    from bench.config.yaml12 import read_yaml

    with suppress(UsageError, OSError, ValueError):
        file = presets_folder(dataset) / f"{preset}.yaml"
        tree = read_yaml(file.read_text(encoding="utf-8"), preset)
        return tree if isinstance(tree, Mapping) else {}
    return {}


def _section(tree: Mapping[str, Any], key: Any) -> Mapping[str, Any]:
    found = tree.get(key)
    return found if isinstance(found, Mapping) else {}


def _entry(name: str, preset: Mapping[str, Any]) -> str | None:
    """Which method's entry is the method's: its own, or that of one that its class is `like`."""
    seen: list[str] = []
    while name in METHODS and name not in seen:
        if name in _section(preset, "methods"):
            return name
        seen.append(name)
        name = constant(attribute(registered(METHODS, name), "like"))
    return None
