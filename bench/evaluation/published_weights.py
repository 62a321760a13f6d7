"""The digit classifiers that come with a published archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.datasets.base import Dataset
from bench.datasets.files import read_weights
from bench.errors import BenchError, DataMissing
from bench.evaluation.classifier_networks import PUBLISHED_CLASSIFIERS, Classifier, make_classifier

HEAD = 10  # the releases' one Sequential, `encoder`, has the last layer at this place; the others lie as in our `body`


def read_published(data: Dataset, files: Mapping[str, Path]) -> dict[str, Classifier]:
    """{modality: the published network with the weights of its file, in eval mode, on the data's device}.

    Raises DataMissing, which names the file and what is expected, where one is absent or holds anything else.
    """
    networks = {}
    for modality in data.modalities:
        network = make_classifier(modality, data.attributes, 0, PUBLISHED_CLASSIFIERS)
        theirs = {_name(ours): ours for ours in network.state_dict()}
        shapes = {name: tuple(network.state_dict()[ours].shape) for name, ours in theirs.items()}
        try:
            weights = read_weights(files[modality.name], shapes)
        except BenchError as error:
            raise DataMissing(
                f"{error}. The published classifiers are a set of {len(files)} files "
                f"({', '.join(file.name for file in files.values())}), each the state_dict of its network: put them "
                f"back, or remove {files[modality.name].parent} to have the same network trained here"
            ) from error
        network.load_state_dict({theirs[name]: x for name, x in weights.items()})
        networks[modality.name] = network.to(data.train.device).eval()
    return networks


def _name(ours: str) -> str:
    """What a release calls a parameter of our network: body.0.weight is its encoder.0.weight."""
    return ours.replace("heads.0", f"encoder.{HEAD}").replace("body", "encoder")
