"""What evaluators share: items that are decoded and classified once, streams of their own, known labels."""

import dataclasses

import pytest
import torch

from evaluators.context import Context
from methods.base import Latents
from methods.mmvae import MMVAE
from tests.conftest import make_method
from tests.evaluators.oracle import NoClassifiers, Oracle, ToyClassifiers, context, evaluate
from tests.toy import HETERO_MODALITIES, hetero_data, image_data


def test_sources_classified_together_are_classified_as_each_alone():
    data, method = image_data(), make_method("mmvaeplus").eval()
    sources = ["real", "prior", "aggregate", ("m0",), ("m2",), ("m0", "m2")]
    together = context(method, data)
    together.predict_all(sources)
    for source in sources:
        alone, shared = context(method, data).predictions(source), together.predictions(source)
        assert alone.labels.keys() == shared.labels.keys() == {"digit"}
        for name, labels in alone.labels["digit"].items():
            assert torch.equal(labels, shared.labels["digit"][name])
        for name, features in alone.features.items():
            assert torch.equal(features, shared.features[name])


@pytest.mark.parametrize("name", ["mopoe", "ebm-generalized"])
def test_each_batch_is_encoded_once_for_all_subsets(name):
    data, method = image_data(), make_method(name).eval()
    counted = []
    for m, encoder in method.encoders.items():
        encoder.register_forward_hook(lambda *_, m=m: counted.append(m))
    evaluate("subsets", context(method, data, samples=40, batch_size=20))
    assert sorted(counted) == sorted(2 * list(method.encoders))


@pytest.mark.parametrize(("name", "sources"), [("mmvae", 2), ("ebm-base", 3)])
def test_each_source_is_decoded_once_for_all_measures(name, sources):
    data, method = image_data(), make_method(name).eval()
    calls = []
    decode = method.decode
    method.decode = lambda latents, names: calls.append(len(latents)) or decode(latents, names)
    shared = context(method, data, samples=40, batch_size=40)
    for _ in range(2):
        evaluate("cross", shared)
        evaluate("joint", shared)
    assert calls == [40] * (3 + sources)  # three modalities; prior, p0 if it is another one, and aggregate posterior


def test_a_measure_does_not_depend_on_which_were_asked_before():
    data, method = image_data(), make_method("ebm-generalized").eval()
    alone = evaluate("cross", context(method, data))
    shared = context(method, data)
    evaluate("joint", shared)
    assert evaluate("cross", shared) == alone
    assert evaluate("cross", context(method, data, seed=1)) != alone


def test_a_changed_context_starts_with_no_predictions():
    data, method = image_data(), make_method("ebm-base").eval()
    first = context(method, data)
    before = first.predictions("prior")
    assert first.predictions("prior") is before
    other = dataclasses.replace(first, method=method.with_prior(make_method("mmvae", prior={"scale": 9.0}).prior))
    assert not torch.equal(other.predictions("prior").features["m0"], before.features["m0"])
    assert first.predictions("prior") is before
    assert other == dataclasses.replace(other)
    with pytest.raises(TypeError):
        Context(**vars(first))


def test_features_are_kept_where_a_measure_needs_them():
    shared = context(make_method("ebm-base").eval(), image_data())
    kept = {source: bool(shared.predictions(source).features) for source in ("real", "prior", "base", "aggregate")}
    assert kept == {"real": True, "prior": True, "base": False, "aggregate": True}
    one, two = shared.predictions(("m0",)), shared.predictions(("m0", "m1"))
    assert list(one.features) == list(one.labels["digit"]) == ["m0", "m1", "m2"]
    assert (two.features, list(two.labels["digit"])) == ({}, ["m2"])


def test_rows_are_a_random_subset_that_repeats():
    data = image_data(test=400)
    few, all_ = context(Oracle(data), data, samples=100), context(Oracle(data), data, samples=1000)
    assert (few.tuples, all_.tuples) == (100, 400)
    assert torch.equal(few.rows(), few.rows())
    assert torch.equal(all_.rows()[:100], few.rows())
    assert sorted(all_.rows().tolist()) == list(range(400))
    assert all_.rows().tolist() != list(range(400))
    assert [len(batch["m0"]) for batch in few.batches(30)] == [16, 14]
    assert [len(batch["m0"]) for batch in few.batches(batch_size=60)] == [60, 40]
    first = next(few.batches())
    assert torch.equal(first["m1"], data.test.batch(few.rows()[:16])["m1"])


def test_of_items_that_show_the_same_thing_the_first_is_distinct():
    data, rows = hetero_data(), torch.arange(40) // 4
    test = dataclasses.replace(
        data.test,
        items={name: x[rows] for name, x in data.test.items.items()},
        same={"sketch": torch.arange(40) % 2},
    )
    seen = context(Oracle(data), dataclasses.replace(data, test=test), samples=20, classifiers=ToyClassifiers())
    found = seen.distinct()
    for name, shown in (("photo", rows), ("sketch", test.same["sketch"])):
        chosen = shown[seen.rows()].tolist()
        assert found[name].tolist() == [i for i, what in enumerate(chosen) if what not in chosen[:i]]
    assert found["caption"].tolist() == list(range(20))  # short sentences are equal by chance


def test_labels_that_no_tuple_knows_are_left_out():
    data = hetero_data(test=20)
    shared = context(Oracle(data), data, classifiers=ToyClassifiers())
    assert list(shared.labels()) == ["shape", "colour"]
    assert torch.equal(shared.labels()["shape"], data.test.labels["shape"][shared.rows()])
    data.test.labels["colour"].fill_(-1)
    assert list(shared.labels()) == ["shape"]


def test_streams_are_of_the_seed_and_the_purpose():
    data = image_data()
    one, other = context(Oracle(data), data), context(Oracle(data), data, seed=1)
    draws = [torch.rand(3, generator=c.streams(p).noise) for c in (one, other) for p in ("prior", "base", "prior")]
    assert torch.equal(draws[0], draws[2])
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[3])


@pytest.mark.parametrize(("method", "same"), [("mmvae", True), ("ebm-base", False)])
def test_a_p0_that_is_the_prior_has_no_samples_of_its_own(method, same):
    data = image_data()
    shared = context(make_method(method, modalities=data.modalities).eval(), data)
    assert (shared.predictions("base") is shared.predictions("prior")) == same


def test_generated_items_are_in_the_form_that_classifiers_take():
    data = hetero_data(test=12)
    method = make_method("mopoe", modalities=HETERO_MODALITIES).eval()
    shared = context(method, data, samples=12, classifiers=ToyClassifiers())
    for source, items in shared.items(["real", "prior", ("caption",), ("photo", "sketch")]):
        assert list(items) == (["caption"] if source == ("photo", "sketch") else list(shared.modalities))
        for name, x in items.items():
            assert x.shape == (12, *method.modalities[name].shape)
            assert x.dtype == (torch.int64 if name == "caption" else torch.float32)


def test_without_labels_there_is_nothing_to_predict():
    data = hetero_data(labels=False, test=12)
    method = make_method("mopoe", modalities=HETERO_MODALITIES).eval()
    predictions = context(method, data, samples=12, classifiers=NoClassifiers()).predictions("prior")
    assert (predictions.labels, predictions.features) == ({}, {})


class Shifted(MMVAE):
    """Has a prior of its own, and leaves p0 as it was."""

    def sample_prior(self, n, streams):
        return Latents(super().sample_prior(n, streams).z + 1)


def test_a_prior_of_a_methods_own_has_another_p0():
    data, plain = image_data(), make_method("mmvae")
    shifted = Shifted(plain.config, list(plain.modalities.values())).eval()
    means = [latents.z.mean().item() for _, _, latents in context(shifted, data).latents(["prior", "base"])]
    assert max(means) > min(means) + 0.5
    assert context(shifted, data).predictions("base") is not context(shifted, data).predictions("prior")


def test_the_items_of_a_p0_that_is_the_prior_are_the_priors():
    data = image_data()
    shared = context(make_method("mmvae", modalities=data.modalities).eval(), data)
    prior, base = ([items["m0"] for _, items in shared.items([source])] for source in ("prior", "base"))
    assert torch.equal(torch.cat(prior), torch.cat(base))
