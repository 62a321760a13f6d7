import pytest

from bench.config.resolve import resolve_evaluation
from bench.errors import UsageError
from evaluators import EVALUATORS
from methods import fitted_priors
from tests.bench.config.conftest import POLYMNIST, one


def evaluation(*settings, presets=POLYMNIST):
    return resolve_evaluation("toy", "smoke", settings, presets=presets)


def test_every_evaluator_and_fitted_prior_has_its_settings():
    config = evaluation()
    assert (config.samples, config.batch_size) == (500, 500)
    assert (list(config.evaluators), list(config.priors)) == (list(EVALUATORS), fitted_priors())
    assert config == one().evaluation


def test_settings_reach_evaluators_and_priors():
    settings = ["evaluation.samples=9", "evaluators.likelihood.samples=11", "priors.mixture.components=50"]
    config = evaluation(*settings)
    assert config.samples == 9
    assert (config.evaluators["likelihood"].samples, config.priors["mixture"].components) == (11, 50)
    assert config == one("mmvae", *settings).evaluation


def test_settings_beat_the_preset_which_beats_the_defaults(preset):
    sections = {"evaluators": {"likelihood": {"samples": 3, "tuples": 4}}, "priors": {"flow": {"epochs": 2}}}
    config = evaluation("evaluators.likelihood.samples=5", presets=preset({**sections, "evaluation": {"samples": 6}}))
    assert (config.samples, config.batch_size, config.priors["flow"].epochs) == (6, 1000, 2)
    assert (config.evaluators["likelihood"].samples, config.evaluators["likelihood"].tuples) == (5, 4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("evaluation.samples=1", r"evaluation \(smoke\): samples=1: must be ≥ 2, as diversity"),
        ("evaluation.samples=0", "samples=0: must be ≥ 2"),
        ("evaluation.samples=020", "samples: expected int, got '020'"),
        ("evaluation.batch_size=0", "batch_size=0: must be ≥ 1"),
        ("evaluation.sample=3", "unknown key 'evaluation.sample': did you mean 'evaluation.samples'"),
        ("evaluation.evaluators=3", "unknown key 'evaluation.evaluators'"),
        ("evaluation=3", "unknown key 'evaluation': expected evaluation.samples=VALUE"),
        ("evaluators.likelihod.samples=3", "did you mean 'evaluators.likelihood"),
        ("evaluators.likelihood.sampels=3", "did you mean 'evaluators.likelihood.samples'"),
        ("evaluators.likelihood.samples=0", "evaluators: likelihood: samples=0: must be ≥ 1"),
        ("evaluators.likelihood.samples=1:30", "expected int, got '1:30'"),
        ("evaluators.joint.samples=3", "unknown key 'evaluators.joint.samples'"),
        ("evaluators.likelihood=3", "expected evaluators.NAME.KEY=VALUE"),
        ("priors.mixtur.components=3", "did you mean 'priors.mixture"),
        ("priors.laplace.scale=3", "unknown key 'priors.laplace.scale'"),
        ("priors.mixture.components=0", "priors: mixture: components=0: must be ≥ 1"),
        ("priors.flow.held_out=1", "flow: held_out=1.0: must be in"),
    ],
)
def test_what_cannot_work_is_refused_before_the_training(setting, message):
    with pytest.raises(UsageError, match=message):
        evaluation(setting)
    with pytest.raises(UsageError, match=message):
        one("mmvae", setting)


def test_a_finished_run_takes_no_setting_of_its_training():
    with pytest.raises(UsageError, match=r"--set trainer.lr: a finished run takes settings of its evaluation alone"):
        evaluation("trainer.lr=3")
