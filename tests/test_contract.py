"""Every registered method keeps the contract, on images alone and on modalities of several kinds, with every network.

A new method is tested here by its line in the registry alone.
"""

import ast
import itertools
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from methods import METHODS, PRIORS
from methods.base import Streams
from methods.networks import NETWORKS
from tests.conftest import make_batch, make_method, small_prior
from tests.toy import HETERO_MODALITIES, hetero_data

IMAGES, HETERO = ["m0", "m1", "m2"], [m.name for m in HETERO_MODALITIES]
TRAINED = [name for name in PRIORS if PRIORS.load(name).Config]


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


def hetero_batch(rows=6):
    return hetero_data(train=rows).train.batch(slice(None))


def make_hetero(name, **settings):
    return make_method(name, modalities=HETERO_MODALITIES, **settings)


@pytest.mark.parametrize("network", NETWORKS["image"])
@pytest.mark.parametrize(("make", "batch"), [(make_method, make_batch), (make_hetero, hetero_batch)])
def test_loss_is_finite_and_reaches_every_parameter(name, network, make, batch):
    method = make(name, network=network)
    streams = Streams(0)
    for _ in range(2):  # an energy that starts at zero moves its inner layers from the second step on
        optimiser = torch.optim.SGD(method.parameters(), lr=1e-6)
        optimiser.zero_grad()
        loss, terms = method.loss(batch(6), streams)
        loss.backward()
        optimiser.step()
    assert loss.shape == ()
    assert loss.isfinite()
    assert terms["elbo"].isfinite()
    assert all(not term.requires_grad and term.shape == () for term in terms.values())
    without = [p for p, parameter in method.named_parameters() if parameter.grad is None]
    assert not without


def test_in_eval_mode_the_loss_needs_no_gradients_and_changes_nothing(name):
    """As it is computed on held-out tuples."""
    for method, batch in ((make_method(name).eval(), make_batch(5)), (make_hetero(name).eval(), hetero_batch(5))):
        before = {key: x.clone() for key, x in method.state_dict().items()}
        with torch.no_grad():
            _, terms = method.loss(batch, Streams(0), 0.5)
        assert terms["elbo"].isfinite()
        assert all(torch.equal(x, before[key]) for key, x in method.state_dict().items())


@pytest.mark.parametrize("prior", TRAINED)
def test_every_prior_is_trained_with_it_or_refused_with_a_sentence(name, prior):
    try:
        method = make_method(name, prior=prior, beta_warmup=0.0)
    except ValueError as refusal:
        assert str(refusal).startswith(f"prior='{prior}': must be ")  # noqa: PT017
        return
    loss, terms = method.loss(make_batch(6), Streams(0))
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad is not None for parameter in method.prior.parameters())
    assert method.config.prior == small_prior(prior)
    assert ("energy_gap" in terms) == (prior == "energy")


def test_any_subset_of_any_modalities_can_be_given(name):
    for names, method, batch in (
        (IMAGES, make_method(name), make_batch(5)),
        (HETERO, make_hetero(name), hetero_batch(5)),
    ):
        method.eval()
        subsets = [list(s) for k in (1, 2, 3) for s in itertools.combinations(names, k)]
        for given in subsets:
            with torch.no_grad():
                latents = method.infer({m: batch[m] for m in given}, given, Streams(0))
                parameters = method.decode(latents, names)
            assert latents.z.shape == (5, 4)
            assert set(latents.w) in (set(), set(names))
            shapes = {m: tuple(x.shape) for m, x in parameters.items()}
            assert shapes == {m: (5, *method.modalities[m].parameter_shape) for m in names}


def test_inference_sees_the_given_modalities_alone(name):
    method, batch = make_method(name).eval(), make_batch(5)
    other = {**batch, "m1": torch.rand(5, 3, 28, 28)}
    assert torch.equal(method.infer(batch, ["m0"], Streams(0)).z, method.infer(other, ["m0"], Streams(0)).z)
    assert not torch.equal(method.infer(batch, ["m1"], Streams(0)).z, method.infer(other, ["m1"], Streams(0)).z)


@pytest.mark.parametrize("given", [[], ["m9"], ["m0", "m9"]])
def test_unknown_or_no_modalities_are_refused(name, given):
    with pytest.raises(ValueError, match="non-empty subset"):
        make_method(name).infer(make_batch(2), given, Streams(0))


@pytest.mark.parametrize("sample", ["sample_prior", "sample_base"])
def test_prior_samples_decode_to_items(name, sample):
    method = make_hetero(name).eval()
    latents = getattr(method, sample)(7, Streams(0))
    assert len(latents) == 7
    for modality in HETERO_MODALITIES:
        parameters = method.decode(latents, [modality.name])
        assert list(parameters) == [modality.name]
        item = modality.to_item(parameters[modality.name])
        assert item.shape == (7, *modality.shape)
        assert item.isfinite().all()
        assert len(modality.draw(item)) == 7


def test_networks_are_called_through_the_contract(name):
    """Where mixed precision and the reuse of encodings happen."""
    method, batch = make_method(name), make_batch(4)
    with torch.no_grad(), method.encoding_once():
        before = method.infer(batch, IMAGES, Streams(0)).z
        for encoder in method.encoders.values():
            for parameter in encoder.parameters():
                parameter.mul_(2)
        assert torch.equal(method.infer(batch, IMAGES, Streams(0)).z, before)
    assert not torch.equal(method.infer(batch, IMAGES, Streams(0)).z, before)
    method.use(mixed_precision=True, channels_last=False)
    rounded = method.train().infer(batch, IMAGES, Streams(0)).z
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, make_and_double(name, batch))


def make_and_double(name, batch):
    """The same networks without mixed precision."""
    method = make_method(name)
    with torch.no_grad():
        for encoder in method.encoders.values():
            for parameter in encoder.parameters():
                parameter.mul_(2)
    return method.infer(batch, IMAGES, Streams(0)).z


def test_under_another_prior_only_z_comes_from_elsewhere(name):
    method = make_method(name).eval()

    class Constant(type(method.prior)):
        def sample(self, n, streams):
            return torch.full((n, 4), 2.0)

    other = method.with_prior(Constant.__new__(Constant))
    other.prior.__dict__.update(method.prior.__dict__)
    assert (other.sample_prior(3, Streams(0)).z == 2).all()
    assert not (method.sample_prior(3, Streams(0)).z == 2).all()
    assert other.encoders is method.encoders
    batch = make_batch(4)
    assert torch.equal(other.infer(batch, IMAGES, Streams(1)).z, method.infer(batch, IMAGES, Streams(1)).z)


def test_a_settled_loss_does_not_depend_on_how_far_the_training_is(name):
    energy = METHODS.load(name).Config().prior.name == "energy"
    method = make_method(name, beta_warmup=0.5, **({"prior": {"start": 0.4, "warmup": 0.3}} if energy else {}))
    assert method.settled == pytest.approx(0.7 if energy else 0.5)
    for module in method.modules():  # energies that start at zero would hide their weight
        torch.nn.init.ones_(module.weight) if isinstance(module, torch.nn.Linear) and module.out_features == 1 else None
    losses = [method.loss(make_batch(6), Streams(0), progress)[0].item() for progress in (0.2, 0.7, 0.9, 1.0)]
    assert losses[1] == losses[2] == losses[3] != losses[0]


def test_proposals_are_sample_major_and_have_a_density(name):
    method = make_method(name).eval()
    batch = make_batch(3)
    try:
        method.propose(batch, 1, Streams(0))
    except NotImplementedError:
        pytest.skip(f"{name} gives no density of its joint posterior")
    with torch.no_grad():
        for encoder in method.encoders.values():
            encoder.heads.weight.mul_(100)  # posteriors that differ from row to row by more than they are wide
        latents, log_q = method.propose(batch, 40, Streams(0))
        log_p = method.log_prior(latents)
        alone = [method.propose({m: x[[b]] for m, x in batch.items()}, 200, Streams(b))[0].z for b in range(3)]
    assert len(latents) == 120
    assert set(latents.w) in (set(), set(IMAGES))
    assert log_q.shape == (40, 3)
    assert log_q.isfinite().all()
    assert log_p.shape == (120,)
    for b, rows in enumerate(latents.z.unflatten(0, (40, 3)).unbind(1)):
        # Each sample's nearest neighbour, of the samples of every row by itself, is one of the same row.
        nearest = torch.stack([torch.cdist(rows, other).min(1).values for other in alone]).argmin(0)
        assert (nearest == b).float().mean() > 0.8


def test_one_seed_gives_one_result_and_two_seeds_two(name):
    batch = make_batch(6)
    losses = [make_method(name, seed=seed).loss(batch, Streams(seed))[0] for seed in (0, 0, 1)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


def test_two_rows_are_enough_and_one_modality_is_too(name):
    assert make_method(name).loss(make_batch(2), Streams(0))[0].isfinite()
    assert make_method(name, m=1).loss(make_batch(4, m=1), Streams(0))[0].isfinite()


def test_groups_hold_every_parameter_once(name):
    method = make_method(name)
    grouped = [p for group in method.parameter_groups() for p in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == set(method.parameters())


def test_a_method_is_one_short_file_that_imports_no_harness(name):
    spec = find_spec(METHODS[name].partition(":")[0])
    assert spec is not None
    source = Path(str(spec.origin)).read_text()
    assert len(source.splitlines()) <= 150
    imported = {
        n.module.split(".")[0] for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom) and n.module
    }
    assert not imported & {"bench", "evaluators"}
    assert (METHODS.load(name).__doc__ or "").strip()


@pytest.mark.parametrize(
    "bad",
    [{"latent_dim": 0}, {"beta": -1.0}, {"beta_warmup": 1.5}, {"prior": {"scale": 0.0}}],
    ids=str,
)
def test_settings_out_of_range_are_refused(name, bad):
    with pytest.raises(ValueError, match="must be"):
        make_method(name, **bad)
