"""A configuration from the plain values that a run's files hold. Files may be damaged, or written to do harm."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any

from bench.config.evaluation import build_evaluation, preset_evaluation
from bench.config.folders import preset_names, presets_folder
from bench.config.names import NONE_HELD_OUT
from bench.config.presets import Preset, load_preset
from bench.config.schema import NAME, EvaluationConfig, LikelihoodConfig, RunConfig, TrainerConfig
from bench.config.values import build, clipped, shown, with_later
from bench.errors import UsageError, unknown
from methods import METHODS, method_class

NONE = Preset("none", "none")
NEWER_KINDS = {"vector": "patch"}  # of networks, where a run is older than that kind of data
WORDS = ("method", "dataset", "source", "fingerprint", "preset")


def restore(tree: Any, where: str, *, presets: Traversable | None = None) -> RunConfig:
    """The configuration whose `as_dict` is `tree`, which may lack its evaluation: that is then the preset's.

    Every key has to be there, since a default may have changed since the file was written; but for those of held-out
    tuples, without which none were held out, networks of kinds of data that came later, and the settings of
    `bench.config.names.LATER`. Names are such that no path made of them leads out of a folder.

    Args:
        where: the file, for messages.
        presets: folder of the dataset's presets; None where the dataset is the project's own. Where it does not have
            the preset, an evaluation that the tree lacks has the defaults of its dataclass.

    Raises:
        UsageError: for anything that is not as it would have been written.
    """
    if not isinstance(tree, Mapping):
        raise UsageError(f"{where}: expected a run's configuration, got {shown(tree)}")
    parts = [field.name for field in dataclasses.fields(RunConfig)]
    for key in tree:
        if key not in parts:
            raise UsageError(f"{where}: {unknown('key', clipped(key), parts)}")
    for key in parts:
        if key not in tree and key != "evaluation":
            raise UsageError(f"{where}: the key {key!r} is missing")
    words = {key: _word(tree[key], f"{where}: {key}") for key in WORDS}
    return RunConfig(
        **words,
        model=_model(words["method"], tree["model"], where),
        trainer=_trainer(tree["trainer"], f"{where}: trainer"),
        modalities=_modalities(tree["modalities"], f"{where}: modalities"),
        evaluation=_evaluation(tree, words["dataset"], words["preset"], where, presets),
    )


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise UsageError(f"{where}: expected a name of letters, digits and . _ + -, got {shown(value)}")
    return value


def _model(method: str, values: Any, where: str) -> Any:
    if method not in METHODS:
        raise UsageError(f"{where}: {unknown('method', method, METHODS)}")
    try:
        cls = method_class(method).Config
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{where}: the method {method!r} is not installed as it should be ({error})") from error
    if isinstance(values, Mapping) and isinstance(networks := values.get("network"), Mapping):
        values = {**values, "network": {**NEWER_KINDS, **networks}}
    return build(cls, with_later(cls, values), f"{where}: model", complete=True)


def _trainer(values: Any, where: str) -> TrainerConfig:
    whole = {**NONE_HELD_OUT, **values} if isinstance(values, Mapping) else values
    return build(TrainerConfig, whole, where, complete=True)


def _modalities(values: Any, where: str) -> dict[str, LikelihoodConfig]:
    if not isinstance(values, Mapping) or not values:
        raise UsageError(f"{where}: expected the name and likelihood of each modality, got {shown(values)}")
    return {
        _word(name, where): build(LikelihoodConfig, own, f"{where}: {name}", complete=True)
        for name, own in values.items()
    }


def _evaluation(
    tree: Mapping[str, Any], dataset: str, preset: str, where: str, presets: Traversable | None
) -> EvaluationConfig:
    if "evaluation" in tree:
        if not isinstance(tree["evaluation"], Mapping):
            raise UsageError(f"{where}: evaluation: expected keys and values, got {shown(tree['evaluation'])}")
        return build_evaluation(tree["evaluation"], f"{where}: evaluation", complete=True)
    presets = presets or presets_folder(dataset)
    if preset not in preset_names(presets):
        return preset_evaluation(NONE)
    return preset_evaluation(load_preset(dataset, preset, presets))
