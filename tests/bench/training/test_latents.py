import torch

from bench.config.schema import TrainerConfig
from bench.training import loop
from bench.training.latents import aggregate_posterior, refine
from methods.base import Streams
from tests.conftest import make_method
from tests.toy import image_data

ALONE = {"standardise": True, "buffer": 16, "moves": 2, "refinement": 4, "lr": 1e-2}
TRAINER = TrainerConfig(epochs=2, batch_size=32, lr=1e-3, validation=0.1)


def test_one_latent_per_tuple_whatever_the_batches():
    method, split = make_method("mmvae").eval(), image_data().train
    z = aggregate_posterior(method, split, Streams(0))
    assert z.shape == (len(split), 4)
    assert not z.requires_grad


def test_a_prior_that_does_not_learn_alone_is_left_as_it_is():
    method, split = make_method("ebm-base"), image_data().train
    before = {name: x.clone() for name, x in method.state_dict().items()}
    assert refine(method, split, 0) == {}
    assert all(torch.equal(x, before[name]) for name, x in method.state_dict().items())


def test_only_the_prior_learns_alone():
    method, split = make_method("ebm-base", prior=ALONE).train(), image_data().train
    before = {name: x.clone() for name, x in method.state_dict().items()}
    assert set(refine(method, split, 0)) == {"energy_gap", "energy_waits"}
    assert method.training
    changed = {name for name, x in method.state_dict().items() if not torch.equal(x, before[name])}
    assert changed
    assert all(name.startswith("prior.") for name in changed)


def test_the_training_ends_with_it_and_its_gap_is_in_the_history(tmp_path, monkeypatch):
    calls = []

    def counted(method, split, seed):
        calls.append(seed)
        return {"energy_gap": -12.5}

    monkeypatch.setattr(loop, "refine", counted)
    seen = []
    state = loop.train(
        make_method("ebm-base", prior=ALONE),
        image_data().train,
        TRAINER,
        7,
        tmp_path / "checkpoint",
        validate=lambda share: seen.append(len(calls)) or {},
        on_epoch=lambda state: None,
    )
    assert calls == [7]
    assert state.history[-1]["energy_gap"] == -12.5
    assert state.history[0]["energy_gap"] != -12.5
    assert seen == [0, 1]  # what is measured last is the refined prior
