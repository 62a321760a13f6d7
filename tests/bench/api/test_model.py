"""`bench.load` gives a trained model: its samples, its cross generations, and the same under fitted priors."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch

import bench
from bench.errors import BenchError, DataMissing, UsageError
from bench.evaluation.refitting import stored_fits

NAMES = ["photo", "numbers", "caption"]


@pytest.fixture
def model(finished):
    return bench.load(finished.run, data_root=finished.data, device="cpu")


def test_samples_are_items_of_every_modality(model):
    items = model.sample(7)
    assert list(items) == list(model.modalities) == NAMES
    for name, modality in model.modalities.items():
        assert items[name].shape == (7, *modality.shape)
        assert not items[name].requires_grad
        assert len(modality.draw(items[name])) == 7
    assert set(" ".join(model.modalities["caption"].sentences(items["caption"])).split()) <= {
        *("a", "big", "small", "roof", "wall", "door", "<unk>")
    }


def test_they_are_a_function_of_the_seed(model, finished):
    again = bench.load(str(finished.out), data_root=finished.data, device="cpu")
    for one, other in zip(model.sample(5, seed=3).values(), again.sample(5, seed=3).values(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(model.sample(5)["numbers"], model.sample(5, seed=1)["numbers"])


def test_many_are_decoded_in_parts(model, monkeypatch):
    whole = model.sample(10)
    monkeypatch.setattr("bench.api.model.AT_ONCE", 4)
    for name, items in model.sample(10).items():
        torch.testing.assert_close(items, whole[name])


def test_cross_generation(model):
    batch = model.dataset.test.batch(slice(6))
    made = model.cross(batch, given="photo")
    assert list(made) == ["numbers", "caption"]
    assert made["numbers"].shape == (6, 5)
    one = model.cross({"photo": batch["photo"]}, given=["photo"], targets=["numbers"])
    assert torch.equal(one["numbers"], made["numbers"])
    itself = model.cross(batch, given=NAMES, targets=["photo"])
    assert itself["photo"].shape == batch["photo"].shape


@pytest.mark.parametrize(
    ("given", "targets", "message"),
    [
        ([], None, r"given=\[\]: expected names of modalities, of photo, numbers, caption"),
        ("phto", None, "given='phto': expected names of modalities, of photo, numbers, caption"),
        (NAMES, None, r"targets=\[\]: expected names"),
        ("photo", ["sound"], r"targets=\['sound'\]"),
    ],
)
def test_what_cannot_be_generated_is_told(model, given, targets, message):
    with pytest.raises(UsageError, match=message):
        model.cross(model.dataset.test.batch(slice(2)), given, targets)


def test_a_batch_that_lacks_what_is_given_is_told(model):
    with pytest.raises(UsageError, match=r"given=\['photo', 'caption'\]: expected names of modalities, of photo"):
        model.cross({"photo": torch.zeros(2, 1, 12, 8)}, ["photo", "caption"])
    with pytest.raises(UsageError, match="n=0"):
        model.sample(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model, batch: model.sample("x"), "n='x': expected a whole number of tuples, 1 or more"),
        (lambda model, batch: model.sample(-3), "n=-3"),
        (lambda model, batch: model.sample(2.0), "n=2.0"),
        (lambda model, batch: model.sample(True), "n=True"),
        (lambda model, batch: model.sample(2, seed=-1), "seed=-1: expected a whole number from 0 to 2147483647"),
        (lambda model, batch: model.sample(2, seed="0"), "seed='0'"),
        (lambda model, batch: model.cross(batch, "photo", seed=0.5), "seed=0.5"),
        (lambda model, batch: model.cross(batch, 3), "given=3: expected names of modalities"),
        (lambda model, batch: model.cross(batch, [["photo"]]), r"given=\[\['photo'\]\]: expected names"),
        (lambda model, batch: model.cross(batch, "photo", 3), "targets=3: expected names of modalities"),
        (lambda model, batch: model.cross(batch["photo"], "photo"), "batch='Tensor': expected {modality: tensor}"),
        (
            lambda model, batch: model.cross({"photo": [1]}, "photo"),
            r"batch\['photo'\] is list: expected a tensor \[B, ",
        ),
        (lambda model, batch: model.cross({"photo": batch["numbers"]}, "photo"), r"is a tensor \[2, 5\]: expected a"),
        (lambda model, batch: model.cross({"photo": batch["photo"][:0]}, "photo"), r"is a tensor \[0, "),
        (
            lambda model, batch: model.cross({**batch, "photo": batch["photo"][:1]}, ["photo", "numbers"]),
            "batch: has 1 of photo, 2 of numbers: expected as many items of each",
        ),
        (lambda model, batch: model.with_prior(3), "name=3: expected one of "),
        (lambda model, batch: model.with_prior("mixture", components="x"), "components: expected int, got 'x'"),
        (lambda model, batch: model.with_prior("mixture", components=object()), "components: <object"),
    ],
)
def test_what_cannot_be_meant_is_told(model, call, message):
    with pytest.raises(UsageError, match=message):
        call(model, model.dataset.test.batch(slice(2)))


def test_numbers_of_numpy_are_numbers(model):
    assert len(model.sample(np.int64(2), seed=np.int32(1))["numbers"]) == 2
    assert model.with_prior("mixture", components=np.int64(2)).prior == "mixture components=2"


def test_one_target_is_a_name(model):
    assert list(model.cross(model.dataset.test.batch(slice(2)), "photo", "numbers")) == ["numbers"]


def test_a_notebook_shows_a_line_of_each(model, finished):
    assert repr(model) == (f"<Model mmvae, prior own, of arrays (folder), preset smoke, seed 0, in {finished.run}>")
    assert repr(model.dataset).startswith("<Dataset arrays (folder): 80 training and ")
    assert repr(model.dataset.test).startswith("<Split of ")
    assert "photo (image 1×12×8)" in repr(model.dataset)
    assert repr(model.classifiers).startswith("<Classifiers, trained here: test accuracy photo ")
    assert repr(model.run) == f"<Run of mmvae {model.run.config.hash} seed 0 in {finished.out}>"
    assert "roof" not in repr(model.modalities["caption"])  # a vocabulary has thousands of words
    for shown in (model, model.dataset, model.dataset.train, model.classifiers, model.run):
        assert len(repr(shown)) < 400


def test_a_fit_is_told_before_it_begins(model, capsys):
    model.with_prior("mixture", components=2)
    rows = len(model.dataset.train)
    assert f"mmvae seed 0, prior mixture components=2: fitting it to {rows} latents\n" in capsys.readouterr().err


def test_classifiers_that_are_trained_are_told(model, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    _ = model.classifiers
    assert "training 3 robust classifiers on arrays" in capsys.readouterr().err


def test_data_and_classifiers_are_the_run_s(model):
    assert model.dataset.fingerprint == model.run.config.fingerprint
    assert model.dataset.modalities == tuple(model.modalities.values())
    assert set(model.classifiers.networks) == set(NAMES)


def test_a_stored_fit_is_fitted_again_as_it_was(model, finished, caplog):
    caplog.set_level(logging.WARNING)
    fitted = model.with_prior("mixture")
    assert (model.prior, fitted.prior) == ("own", "mixture components=3")
    (file,) = (finished.run / "priors").glob("mixture@*.json")
    assert json.loads(file.read_text())["record"] == fitted.method.prior.record
    assert not caplog.messages
    for one, other in zip(fitted.sample(4).values(), model.with_prior("mixture").sample(4).values(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(fitted.sample(4)["numbers"], model.sample(4)["numbers"])
    batch = model.dataset.test.batch(slice(4))
    cross = (m.cross(batch, "photo")["numbers"] for m in (model, fitted))
    assert torch.equal(*cross)  # the prior has no part in it


def test_other_settings_are_another_fit(model):
    assert model.with_prior("mixture", components=2).prior == "mixture components=2"
    assert model.with_prior("bootstrap").prior == "bootstrap"
    again = model.with_prior("bootstrap").with_prior("normal")
    assert torch.equal(again.sample(3)["numbers"], model.with_prior("normal").sample(3)["numbers"])
    with pytest.raises(UsageError, match="prior mixture: unknown key 'component': did you mean 'components'"):
        model.with_prior("mixture", component=2)
    with pytest.raises(UsageError, match="unknown fitted prior 'gmm'"):
        model.with_prior("gmm")


@pytest.fixture
def copied(finished, tmp_path):
    """The run's folder, to change."""
    shutil.copytree(finished.out, tmp_path / "out")
    run = tmp_path / "out" / finished.run.relative_to(finished.out)
    return bench.load(run, data_root=finished.data, device="cpu")


def test_of_several_fits_one_has_to_be_said(copied):
    (file,) = copied.run.priors_folder.glob("mixture@*.json")
    tree = json.loads(file.read_text())
    tree["settings"]["components"], tree["label"] = 5, "mixture components=5"
    file.with_name("mixture@00000000.json").write_text(json.dumps(tree))
    with pytest.raises(UsageError, match=r"has several fits of 'mixture' .*components=5.*: say which, by its settings"):
        copied.with_prior("mixture")
    assert copied.with_prior("mixture", components=3).prior == "mixture components=3"


def test_a_fit_that_comes_out_otherwise_is_told(copied, caplog):
    (file,) = copied.run.priors_folder.glob("mixture@*.json")
    tree = json.loads(file.read_text())
    tree["record"]["converged"] = not tree["record"]["converged"]
    file.write_text(json.dumps(tree))
    copied.with_prior("mixture")
    assert "prior mixture components=3: not the fit that was measured (converged" in caplog.text


def test_files_of_fits_that_cannot_be_read_are_left_out(copied):
    (file,) = copied.run.priors_folder.glob("mixture@*.json")
    file.write_text("{")
    assert not list(stored_fits(copied.run, "mixture"))
    tree = json.loads((copied.run.path / "training.json").read_text())
    file.write_text(json.dumps(tree))
    assert not list(stored_fits(copied.run, "mixture"))


def test_a_run_that_cannot_be_loaded_is_told(copied, finished, tmp_path):
    with pytest.raises(DataMissing, match="holds no run"):
        bench.load(tmp_path / "nothing")
    copied.run.checkpoint_file.unlink()
    with pytest.raises(BenchError, match="it has no checkpoint"):
        bench.load(copied.run.path, data_root=finished.data)


def test_one_of_several_runs_has_to_be_named(finished, tmp_path):
    out = tmp_path / "out"
    options = {"settings": {"latent_dim": 2}, "data_root": finished.data, "out": out, "device": "cpu"}
    runs = bench.run("mvtcae", "arrays", preset="smoke", seeds=[0, 1], **options)
    with pytest.raises(BenchError, match=r"holds 2 trained runs, such as .*seed-0: name one"):
        bench.load(out)
    assert [bench.load(path, data_root=finished.data).run.seed for path in runs] == [0, 1]


def test_other_data_are_told_where_they_are_needed(model, finished, tmp_path):
    from tests.arrays import write_folder

    other = bench.load(finished.run, data_root=write_folder(tmp_path / "other", rows=60), device="cpu")
    assert torch.equal(other.sample(2)["numbers"], model.sample(2)["numbers"])
    with pytest.raises(BenchError, match="belongs to data with fingerprint"):
        _ = other.dataset
