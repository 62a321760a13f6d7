"""Configurations for data that are never loaded."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bench.config.folders import presets_folder
from bench.config.resolve import resolve
from bench.config.schema import RunConfig
from tests.toy import HETERO_MODALITIES, image_modalities

POLYMNIST = presets_folder("polymnist")
QUICK = ("latent_dim=4", "trainer.epochs=3", "trainer.batch_size=16")


def configure(methods, *settings, sweeps=(), preset="smoke", modalities=None, presets=POLYMNIST, **names) -> Any:
    """All configurations, on three images."""
    source = "rebuilt" if preset == "overnight" else "bundled"
    names = {"dataset": "toy", "source": source, "fingerprint": "f" * 64, **names}
    modalities = modalities or image_modalities()
    return resolve(
        methods, preset=preset, settings=settings, sweeps=sweeps, modalities=modalities, presets=presets, **names
    )


def one(method="mmvae", *settings, **options) -> RunConfig:
    """The only configuration."""
    (config,) = configure([method], *settings, **options)
    return config


def hetero(method="mmvae", *settings, **options) -> RunConfig:
    """On two images and a sentence."""
    return one(method, *settings, modalities=HETERO_MODALITIES, **options)


@pytest.fixture
def preset(tmp_path):
    """Writes a tree, or text, as the preset "smoke" of a folder, which it returns."""

    def write(tree, name="smoke"):
        text = tree if isinstance(tree, str) else yaml.safe_dump(tree)
        (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write
