"""A trained run as a model to sample from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.api.arguments import folder_of, names_of, plain, refused, root_of, seed_of, whole_number, word_of
from bench.datasets import dataset_source
from bench.datasets.base import Dataset
from bench.errors import BenchError, UsageError
from bench.evaluation.classifiers import Classifiers, classifiers
from bench.evaluation.finding import find_runs
from bench.evaluation.finished import trained
from bench.evaluation.refitting import chosen_fit, differences, fit_to_run, training_latents
from bench.execution.devices import DEVICES, choose_device
from bench.execution.screen import Screen
from bench.runs.provenance import check_same_data
from bench.runs.run import Run
from methods import fitted_priors
from methods.base import Batch, Latents, Method, Streams
from methods.modality import Modality

AT_ONCE = 1000  # latents that are decoded at once

Items = dict[str, Tensor]  # {modality: [N, *]}, as `Modality.to_input` gives them: images in [0, 1], token ids, numbers

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Origin:
    """Where a run's data are. They are loaded when they are asked for: to sample, a model needs none."""

    run: Run
    data_root: Path
    device: torch.device

    @cached_property
    def dataset(self) -> Dataset:
        config = self.run.config
        data = dataset_source(config.dataset).load(config.source, self.data_root)
        check_same_data(self.run, data.fingerprint, data.source, data.name)
        return data.with_modalities(config.with_likelihoods(data.modalities)).to(self.device)

    @cached_property
    def classifiers(self) -> Classifiers:
        return classifiers(self.dataset, Screen().message)

    @cached_property
    def own(self) -> Method:
        """The run's method under its own prior."""
        return trained(self.run, self.modalities, self.device).eval()

    @cached_property
    def modalities(self) -> tuple[Modality, ...]:
        """Under the run's likelihoods."""
        config = self.run.config
        return config.with_likelihoods(dataset_source(config.dataset).modalities(config.source, self.data_root))


@dataclass(frozen=True)
class Model:
    """The model of a finished run, in eval mode. `bench.load` gives one.

    Args:
        run: its configuration, seed and directory.
        method: the model itself; `methods.base.Method` is what it offers.
        prior: the name of the prior that z is drawn from, with its settings where it was fitted.
    """

    run: Run
    method: Method
    prior: str
    origin: Origin

    def __repr__(self) -> str:
        config = self.run.config
        return (
            f"<Model {config.method}, prior {self.prior}, of {config.dataset} ({config.source}), preset "
            f"{config.preset}, seed {self.run.seed}, in {self.run.path}>"
        )

    @property
    def modalities(self) -> dict[str, Modality]:
        """By name. A modality draws items: `model.modalities["m0"].draw(items["m0"])`, a picture each."""
        return dict(self.method.modalities)

    @property
    def dataset(self) -> Dataset:
        """The run's data, on the model's device; loaded at the first use. Raises DataMissing."""
        return self.origin.dataset

    @property
    def classifiers(self) -> Classifiers:
        """Those that coherence is measured with; from the cache, or trained at the first use."""
        return self.origin.classifiers

    @torch.no_grad()
    def sample(self, n: int, *, seed: int = 0) -> Items:
        """n tuples from the model: z from its prior, and an item of every modality decoded from it.

        Items are what the decoders' likelihoods stand for (their means, or most likely tokens), without noise.

        Raises UsageError unless n ≥ 1, and for what is no seed.
        """
        number = whole_number("n", n, "a whole number of tuples, 1 or more", 1)
        return self._decode(self.method.sample_prior(number, self._streams(seed)), list(self.modalities))

    @torch.no_grad()
    def cross(
        self, batch: Batch, given: str | Sequence[str], targets: str | Sequence[str] | None = None, *, seed: int = 0
    ) -> Items:
        """The items of `targets` that the model makes of those that are given, one for each row of the batch.

        One z ~ q(z | given) a row; private latents of the targets come from their prior.

        Args:
            batch: {modality: [B, *]} of the modalities given at least, such as `model.dataset.test.batch(slice(8))`.
            given: one name, or a subset of the modalities.
            targets: one or those to decode; all that are not given where none are named.

        Raises UsageError for an unknown modality, for no target, and where the batch lacks one that is given, or has
        something else in its place.
        """
        if not isinstance(batch, Mapping):
            raise refused("batch", type(batch).__name__, "{modality: tensor}, as model.dataset.test.batch(slice(8)) is")
        names = self._chosen("given", given, [name for name in self.modalities if name in batch])
        others = [name for name in self.modalities if name not in names]
        wanted = self._chosen("targets", others if targets is None else targets, list(self.modalities))
        inputs = {name: self._item(name, batch[name]) for name in names}
        if len({len(items) for items in inputs.values()}) > 1:
            rows = ", ".join(f"{len(items)} of {name}" for name, items in inputs.items())
            raise UsageError(f"batch: has {rows}: expected as many items of each modality that is given")
        return self._decode(self.method.infer(inputs, names, self._streams(seed)), wanted)

    def _chosen(self, what: str, names: Any, known: Sequence[str]) -> list[str]:
        expected = f"names of modalities, of {', '.join(known)}"
        chosen = names_of(what, names, expected)
        if any(name not in known for name in chosen):
            raise refused(what, names, expected)
        return chosen

    def _item(self, name: str, items: Any) -> Tensor:
        shape = self.modalities[name].shape
        if not isinstance(items, Tensor) or items.shape[1:] != shape or not len(items):
            there = f"a tensor {list(items.shape)}" if isinstance(items, Tensor) else type(items).__name__
            raise UsageError(f"batch[{name!r}] is {there}: expected a tensor [B, {', '.join(map(str, shape))}]")
        return items.to(self.origin.device)

    def with_prior(self, name: str, **settings: Any) -> Model:
        """The same model with z from a prior that is fitted to it now, as `bench evaluate --prior` fits it.

        Without settings it is the fit that the run's files have of that prior, or that of the run's preset where they
        have none; with settings, such as `components=50`, that of the preset with those changed. A fit is a function of
        the run and the settings, and the same one each time; one that comes out otherwise than it was measured, by
        another version of a library, is told in a warning.

        Raises:
            UsageError: for an unknown prior or setting, and where the run has several fits of it and no setting says
                which.
            DataMissing: the run's data, which the prior is fitted to, are not there.
        """
        presets = dataset_source(self.run.config.dataset).presets
        word_of("name", name, f"one of {', '.join(fitted_priors())}")
        changes = {key: plain(key, value) for key, value in settings.items()}
        fit = chosen_fit(self.run, name, changes, presets)
        own = self.origin.own
        Screen().message(f"{self.run.name}, prior {fit.label}: fitting it to {len(self.dataset.train):,} latents")
        z = training_latents(self.run, own, self.dataset.train)
        fitted = fit_to_run(self.run, name, fit.config, z, own)
        if found := differences(fit.record, fitted.record):
            log.warning("%s, prior %s: not the fit that was measured (%s)", self.run.path, fit.label, "; ".join(found))
        return replace(self, method=own.with_prior(fitted).eval(), prior=fit.label)

    def _streams(self, seed: int) -> Streams:
        return Streams(seed_of(seed), self.origin.device)

    def _decode(self, latents: Latents, names: Sequence[str]) -> Items:
        parts: list[Items] = []
        for start in range(0, len(latents), AT_ONCE):
            parameters = self.method.decode(latents[start : start + AT_ONCE], names)
            parts.append({name: self.modalities[name].to_item(parameters[name]) for name in names})
        return {name: torch.cat([part[name] for part in parts]) for name in names}


def load(path: str | PathLike[str], *, data_root: str | PathLike[str] | None = None, device: str = "auto") -> Model:
    """The trained model of a run.

    Args:
        path: the run's directory, or a folder in which it is the only run that is trained.
        data_root: folder of the data files; $BENCH_DATA, else data/, where none is named.
        device: as `--device`: auto, cpu, cuda, …

    Raises:
        UsageError: for a device that is not there.
        DataMissing: there is no run.
        BenchError: there are several, or its checkpoint is absent, damaged or of another version.
    """
    problems: list[str] = []
    root = root_of(data_root)
    chosen = choose_device(word_of("device", device, DEVICES))
    runs = find_runs([folder_of("path", path)], problems.append)
    if len(runs) != 1:
        several = f"{path} holds {len(runs)} trained runs, such as {runs[0].path}: name one" if runs else ""
        raise BenchError(several or "; ".join(problems))
    origin = Origin(runs[0], root, chosen)
    return Model(runs[0], origin.own, "own", origin)
