"""A shell that completes `--set` offers what `--set` takes."""

from argparse import Namespace

import pytest

from bench.commands.settings import of_evaluation, of_runs, settings, sweeps
from bench.config.evaluation import settings_class
from bench.config.folders import preset_names, presets_folder
from bench.config.grid import Base
from bench.config.presets import load_preset
from bench.config.schema import Amounts, TrainerConfig
from bench.config.trees import leaves
from bench.config.values import field_types
from bench.datasets import DATASETS
from evaluators import EVALUATORS
from methods import METHODS, fitted_priors

PRESETS = [(dataset, preset) for dataset in DATASETS.own for preset in preset_names(presets_folder(dataset))]


@pytest.mark.parametrize(("dataset", "preset"), PRESETS)
@pytest.mark.parametrize("method", METHODS.own)
def test_the_keys_are_those_that_set_takes(method, dataset, preset):
    base = Base.of(method, load_preset(dataset, preset), [])
    expected = {*leaves(base.config, base.model), *(f"trainer.{key}" for key in field_types(TrainerConfig))}
    found = {key for key, _ in of_runs(Namespace(methods=method, dataset=dataset, preset=preset))}
    assert {key for key in found if not key.startswith("modalities.")} == expected


def test_the_keys_of_an_evaluation_are_those_that_set_takes():
    expected = {f"evaluation.{key}" for key in field_types(Amounts)}
    for section, names in (("evaluators", EVALUATORS), ("priors", fitted_priors())):
        expected |= {f"{section}.{name}.{key}" for name in names for key in field_types(settings_class(section, name))}
    assert {key for key, _ in of_evaluation()} == expected


def line(methods="ebm-base", **more):
    return Namespace(methods=methods, dataset="polymnist", preset="quick", **more)


def test_a_prior_on_the_line_decides_what_is_below_prior():
    assert "prior.steps=" in settings("prior.", line())
    for named in (line(set=["prior=flow"]), line(sweep=["prior=flow,normal"]), line(settings=["prior=flow"])):
        assert "prior.couplings=" in settings("prior.", named)
        assert "prior.steps=" not in settings("prior.", named)
    assert "prior.scale=" in settings("prior.", line(sweep=["prior=flow,normal"]))
    assert "prior.scale=" not in settings("prior.", line(set=["prior=nothing"]))


def test_methods_on_the_line_decide_and_without_any_all_count():
    assert "private_dim=" not in settings("", line("mmvae"))
    assert "private_dim=" in settings("", line("mmvae,mmvaeplus"))
    for everything in ("all", None, "mmv"):
        assert {"private_dim=", "alpha=", "prior.steps="} <= settings("", line(everything)).keys()
    assert "private_dim=" not in settings("", Namespace(method="mmvae", set=[]))
    assert settings("", line())["prior.steps="] == "of Langevin dynamics from p0 to a sample"


def test_an_evaluation_takes_its_own_settings_alone():
    offered = settings("", Namespace(runs=[], evaluators="joint"))
    assert {name.partition(".")[0] for name in offered} == {"evaluation", "evaluators", "priors"}
    assert not [name for name in sweeps("", line()) if name.startswith("eval")]


def test_words_to_choose_from_are_offered():
    assert list(settings("objective=", line())) == ["objective=iwae", "objective=dreg"]
    assert list(settings("trainer.amsgrad=t", line())) == ["trainer.amsgrad=true", "trainer.amsgrad=false"]
    assert "network=conv" in settings("network=", line())
    assert "prior=flow" in settings("prior=", line())
    assert "prior=bootstrap" not in settings("prior=", line())  # it is fitted to trained models alone
    assert {"posterior=laplace-exp", "posterior=normal-logvar"} <= settings("posterior=", line("mopoe,mmvae")).keys()
    assert settings("trainer.lr=", line()) == settings("nothing=", line()) == {}
    assert "objective=iwae,dreg" in sweeps("objective=iwae,", line())
    assert "objective=iwae,iwae" not in sweeps("objective=iwae,", line())


def test_what_cannot_be_read_is_no_reason_to_offer_nothing():
    assert "prior.scale=" in settings("", Namespace(methods="mmvae", dataset="none", preset="none"))
