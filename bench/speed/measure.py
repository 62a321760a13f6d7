"""What each method costs on this machine, beside the naive way of computing the same loss.

Items are random: nothing here depends on what they show. The training step is the suite's own
(`bench.training.loop.update`) at the end of the training, when every term of the loss is in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from bench.config.resolve import resolve
from bench.config.schema import RunConfig
from bench.errors import UsageError
from bench.runs import provenance
from bench.speed.evaluation import measure_evaluation
from bench.speed.random_data import FINGERPRINT, SOURCE, random_dataset
from bench.speed.training import measure_training
from methods.modality import Modality
from methods.networks import NetworkChoice

TRAINING_ROWS = 1024


def configurations(
    methods: Sequence[str],
    dataset: str,
    preset: str,
    settings: Sequence[str],
    latent: int | None,
    modalities: Sequence[Modality],
) -> list[RunConfig]:
    """As `bench.config.resolve.resolve`; `latent` is the size of a decoder's input: D, or D + D_w in equal parts.

    Raises UsageError, also for an odd `latent` where it has to be halved.
    """
    configs = resolve(methods, dataset, SOURCE, preset, settings, modalities=tuple(modalities), fingerprint=FINGERPRINT)
    return configs if latent is None else [replace(c, model=with_latent(c.model, latent)) for c in configs]


def with_latent(model: Any, latent: int) -> Any:
    """The method's configuration with decoders of that input size. Raises UsageError."""
    try:
        if "private_dim" not in vars(model):
            return replace(model, latent_dim=latent)
        if latent % 2:
            raise ValueError(f"latent_dim={latent}: must be even, for a shared and a private half")
        return replace(model, latent_dim=latent // 2, private_dim=latent // 2)
    except ValueError as error:
        raise UsageError(f"--latent {latent}: {error}") from None


def measure(
    config: RunConfig, modalities: Sequence[Modality], device: torch.device, rounds: int, tuples: int
) -> dict[str, Any]:
    """Everything about one method, as plain values."""
    rows = max(TRAINING_ROWS, config.trainer.batch_size, tuples)
    data = random_dataset(config.dataset, config.with_likelihoods(modalities), rows, device)
    return {
        "method": config.method,
        "network": network_name(config.model.network, modalities),
        "experts": vars(config.model).get("experts"),
        "batch_size": config.trainer.batch_size,
        **measure_training(config, data, rounds),
        "evaluation": measure_evaluation(config, data, rounds, tuples),
    }


def network_name(choice: NetworkChoice, modalities: Sequence[Modality]) -> str:
    """Such as: conv; or, where the kinds of the data differ in it: image resnet, text conv."""
    families = {m.kind: vars(choice)[m.kind] for m in modalities}
    if len(set(families.values())) == 1:
        return str(next(iter(families.values())))
    return ", ".join(f"{kind} {family}" for kind, family in families.items())


def origin(device: torch.device) -> dict[str, Any]:
    """What was measured, on what: code, versions, hardware."""
    return {"data": "random items", **provenance.origin(device)}


def flat(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per method and way to train, each with the evaluation's rates and where all was measured."""
    where = place(result)
    rows = []
    for method in result["methods"]:
        naive = method["training"].get("naive", {}).get("seconds", math.nan)
        what = {key: method[key] for key in ("method", "network", "experts", "batch_size", "matmul_flops_per_second")}
        for way, step in method["training"].items():
            faster = {"faster_than_naive": naive / step["seconds"]}
            rows.append({**what, "way": way, **step, **faster, **method["evaluation"], **where})
    return rows


def place(result: Mapping[str, Any]) -> dict[str, Any]:
    """Where and with what settings it was measured, as columns."""
    hardware, versions = result["hardware"], result["versions"]
    where = {key: hardware[key] for key in ("name", "device", "cores", "threads")}
    where |= {"torch": versions["torch"], "revision": result["code"]["revision"], "preset": result["preset"]}
    return where | {"settings": " ".join(result["settings"]), "latent": result["latent"]}
