import itertools

import pytest
import torch

from bench.speed.random_data import CLASSES, batches_of, random_dataset
from tests.toy import HETERO_MODALITIES, image_modalities

CPU = torch.device("cpu")


@pytest.mark.parametrize("modalities", [image_modalities(2), HETERO_MODALITIES])
def test_random_data_are_of_the_modalities_and_labelled(modalities):
    data = random_dataset("toy", modalities, 12, CPU)
    assert (data.name, data.source, data.modalities, len(data.train)) == ("toy", "random", modalities, 12)
    assert data.attributes == {"label": CLASSES}
    for m in modalities:
        assert (data.train.items[m.name].shape, data.train.items[m.name].dtype) == ((12, *m.shape), m.storage)


def test_batches_are_random_rows_without_end():
    split = random_dataset("toy", image_modalities(1), 3, CPU).train
    one, two = itertools.islice(batches_of(split, 8), 2)
    assert one["m0"].shape == (8, 3, 28, 28)
    assert not torch.equal(one["m0"], two["m0"])
