import pytest
import torch

from bench.errors import BenchError
from bench.evaluation.classifier_networks import HIDDEN, make_classifier
from methods.modality import END, PAD, ImageModality, TextModality
from tests.toy import HETERO_ATTRIBUTES, HETERO_MODALITIES, VOCABULARY, hetero_data


def test_the_image_network_has_the_published_size():
    network = make_classifier(ImageModality("m0", (3, 28, 28)), {"digit": 10}, seed=0)
    assert sum(p.numel() for p in network.parameters()) == 211_482


def test_large_images_have_a_larger_network_that_learns_longer():
    network = make_classifier(ImageModality("image", (3, 64, 64)), dict.fromkeys("abcd", 9), seed=0)
    assert sum(p.numel() for p in network.parameters()) == 571_380
    assert network.LONGER == 4
    for side in (28, 47):
        assert make_classifier(ImageModality("image", (3, side, 64)), {"a": 9}, seed=0).LONGER == 1


def test_its_initialisation_is_that_of_all_earlier_classifiers():
    """Cached classifiers and published numbers rest on these draws."""
    weights = list(make_classifier(ImageModality("m0", (3, 28, 28)), {"digit": 10}, seed=1).parameters())
    first, last = weights[0].flatten()[:2], weights[-1][:2]
    expected = torch.tensor([0.07437184, -0.06370746, -0.0856977, -0.05288571])
    assert torch.allclose(torch.cat([first, last]), expected, atol=1e-7)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 9), (1, 61, 50), (1, 32, 32), (3, 64, 30), (3, 13, 15)])
def test_images_of_any_size_are_classified(shape):
    network = make_classifier(ImageModality("a", shape), {"colour": 3}, seed=0).eval()
    assert network(torch.rand(2, *shape))["colour"].shape == (2, 3)


@pytest.mark.parametrize("modality", HETERO_MODALITIES, ids=lambda m: m.name)
def test_features_and_heads_of_every_kind(modality):
    network = make_classifier(modality, HETERO_ATTRIBUTES, seed=0).eval()
    items = hetero_data().test.batch(slice(0, 5))[modality.name]
    features = network.features(items)
    assert features.shape == (5, HIDDEN)
    logits = network.classify(features)
    assert {name: x.shape for name, x in logits.items()} == {"shape": (5, 4), "colour": (5, 3)}
    assert all(torch.equal(x, logits[name]) for name, x in network(items).items())
    disturbed = network.disturb(items, torch.Generator().manual_seed(0), few_items=True)
    assert (disturbed.shape, disturbed.dtype) == (items.shape, items.dtype)


def test_only_images_that_are_few_are_augmented():
    photo, _, caption = HETERO_MODALITIES
    batch = hetero_data().test.batch(slice(0, 5))
    for modality in (photo, caption):
        network = make_classifier(modality, {"a": 2}, seed=0)
        few, many = (
            network.disturb(batch[modality.name], torch.Generator().manual_seed(0), few) for few in (True, False)
        )
        assert torch.equal(few, many) == (modality is caption)


def test_a_sentence_of_one_word_and_any_attribute_name_will_do():
    network = make_classifier(TextModality("t", (1,), vocabulary=VOCABULARY), {"bill.shape": 2, "type": 2}, seed=0)
    assert set(network.eval()(torch.tensor([[END], [PAD]]))) == {"bill.shape", "type"}


def test_they_are_a_function_of_the_seed_alone():
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, same, other = (make_classifier(HETERO_MODALITIES[2], {"a": 2}, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_a_kind_without_a_classifier_is_told():
    class Sound(ImageModality):
        kind = "sound"

    with pytest.raises(BenchError, match=r"modality 'a': unknown kind of classifier 'sound'.*image, text"):
        make_classifier(Sound("a", (3, 8, 8)), {"b": 2}, seed=0)
