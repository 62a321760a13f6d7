"""The likelihood of each modality: the dataset's own < the preset's < `--set`; of each, one name over `*`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.config.overrides import Path
from bench.config.schema import LikelihoodConfig, with_likelihood
from bench.config.values import build, shown
from bench.errors import UsageError, unknown
from methods.modality import Modality

KEYS = ("likelihood", "scale", "weight")  # what can be set


def likelihoods(
    modalities: Sequence[Modality], section: Mapping[str, Any], settings: Mapping[Path, Any], where: str
) -> dict[str, LikelihoodConfig]:
    """The likelihoods by the modalities' names.

    Args:
        section: the preset's section `modalities`.
        settings: {("modalities", name or "*", key): value}.

    Raises:
        UsageError: for an unknown modality or key, a value of the wrong type or out of range, and a likelihood that
            the kind of modality does not have.
    """
    where = f"{where}: modalities"
    names = ["*", *(modality.name for modality in modalities)]
    for name, values in section.items():
        if name not in names:
            raise UsageError(f"{where}: {unknown('modality', name, names)}")
        if not isinstance(values, Mapping):
            raise UsageError(f"{where}: {name}: expected keys and values, got {shown(values)}")
        for key in values:
            if key not in KEYS:
                raise UsageError(f"{where}: {name}: {unknown('key', key, KEYS)}")
    found = {}
    for modality in modalities:
        tree = {"kind": modality.kind} | {key: getattr(modality, key) for key in KEYS}
        for name in ("*", modality.name):
            tree |= section.get(name, {})
        for name in ("*", modality.name):
            tree |= {path[2]: value for path, value in settings.items() if path[1] == name}
        found[modality.name] = build(LikelihoodConfig, tree, f"{where}: {modality.name}")
        with_likelihood(modality, found[modality.name])  # refuses what the modality cannot have
    return found
