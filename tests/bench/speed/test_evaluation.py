import pytest
import torch

from bench.evaluation.classifiers import Classifiers
from bench.evaluation.measuring import evaluation_context
from bench.speed import timing
from bench.speed.evaluation import coherence, measure_evaluation, untrained
from bench.speed.random_data import random_dataset
from bench.training.building import build_method
from tests.bench.conftest import tiny_config
from tests.toy import HETERO_MODALITIES, image_data, image_modalities

CPU = torch.device("cpu")


@pytest.mark.parametrize("modalities", [image_modalities(1), HETERO_MODALITIES])
def test_an_evaluation_is_measured_for_any_modalities(modalities, monkeypatch):
    monkeypatch.setattr(timing, "BLOCK_SECONDS", 0.0)
    data = random_dataset("toy", modalities, 20, CPU)
    rates = measure_evaluation(tiny_config("mmvae"), data, rounds=2, tuples=20)
    assert rates.pop("coherence_tuples") == 20
    assert len(rates) == 3
    assert all(rate > 0 for rate in rates.values())


def test_the_protocol_classifies_again_each_time(monkeypatch):
    features, calls, counts = Classifiers.features, [], []
    monkeypatch.setattr(Classifiers, "features", lambda self, items: (calls.append(1), features(self, items))[1])
    data, config = image_data(), tiny_config("mmvae", "evaluation.samples=40", "evaluation.batch_size=20")
    method = build_method(config, data.modalities, CPU, 0)
    context = evaluation_context(method, data, untrained(data), 0, config.evaluation)
    for _ in range(2):
        coherence(context, config.evaluation)
        counts.append(len(calls))
    # Two batches of: prior, which is p0 too, aggregate posterior, real items, and each of three modalities.
    assert counts == [12, 24]
