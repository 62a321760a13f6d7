import dataclasses

import pytest

from bench.errors import UsageError
from bench.speed.measure import configurations, flat, network_name
from methods.networks import NetworkChoice
from tests.toy import HETERO_MODALITIES, image_modalities


def configured(methods, settings, latent):
    return configurations(methods, "polymnist", "quick", settings, latent, image_modalities(5))


def test_latent_is_the_size_of_the_decoders_input():
    one, two = configured(["mopoe", "mmvaeplus"], ["network=conv"], 64)
    assert one.model.latent_dim == 64
    assert (two.model.latent_dim, two.model.private_dim) == (32, 32)
    assert {one.model.network.image, two.model.network.image} == {"conv"}
    (as_preset,) = configured(["mmvaeplus"], [], None)
    assert (as_preset.model.latent_dim, as_preset.model.private_dim) == (16, 16)


def test_a_preset_that_is_made_for_real_data_is_measured_on_random_items():
    (config,) = configurations(["mmvae"], "polymnist", "overnight", [], None, image_modalities(5))
    assert config.source == "random"


@pytest.mark.parametrize(("latent", "match"), [(63, "must be even"), (0, "--latent 0: latent_dim=0: must be ≥ 1")])
def test_an_impossible_latent_is_refused(latent, match):
    with pytest.raises(UsageError, match=match):
        configured(["mmvaeplus"], [], latent)


def test_a_networks_name_is_one_word_where_the_kinds_of_the_data_agree():
    choice = NetworkChoice(image="resnet", text="conv")
    assert network_name(choice, image_modalities(2)) == "resnet"
    assert network_name(choice, HETERO_MODALITIES) == "image resnet, text conv"
    assert network_name(dataclasses.replace(choice, text="resnet"), HETERO_MODALITIES) == "resnet"


def test_a_row_has_a_way_to_train_and_where_it_was_measured():
    method = {"method": "mmvae", "network": "conv", "experts": "all", "batch_size": 8, "matmul_flops_per_second": 1e9}
    method |= {
        "evaluation": {"coherence_seconds": 3.0},
        "training": {"naive": {"seconds": 6.0}, "suite": {"seconds": 2.0}},
    }
    hardware = {"name": "a processor", "device": "cpu", "cores": 2, "threads": 2}
    result = {"hardware": hardware, "versions": {"torch": "2.9"}, "code": {"revision": "abc"}, "methods": [method]}
    rows = flat({**result, "preset": "quick", "settings": ["beta=1"], "latent": None})
    assert [(row["way"], row["faster_than_naive"]) for row in rows] == [("naive", 1.0), ("suite", 3.0)]
    assert {(row["revision"], row["settings"], row["coherence_seconds"]) for row in rows} == {("abc", "beta=1", 3.0)}
    del method["training"]["naive"]
    (row,) = flat({**result, "preset": "quick", "settings": [], "latent": None})
    assert row["faster_than_naive"] != row["faster_than_naive"]
