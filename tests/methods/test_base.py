"""What every method gets from the contract's base class."""

import math

import pytest
import torch

from methods.base import Latents, Streams, ramp, require
from methods.mmvae import MMVAE, MMVAEConfig
from methods.priors.base import Prior
from methods.priors.factorised import NormalPrior, NormalPriorConfig
from tests.conftest import make_batch, make_method
from tests.toy import HETERO_MODALITIES, hetero_data


def counting(method):
    """Notes each call of an encoder."""
    calls = []
    for name, encoder in method.encoders.items():
        encoder.register_forward_hook(lambda *_, name=name: calls.append(name))
    return calls


# Encoding once


def test_an_encoder_sees_a_batch_once():
    method, batch = make_method("mopoe").eval(), make_batch(4)
    calls = counting(method)
    with method.encoding_once():
        for given in (["m0"], ["m0", "m1"], ["m0", "m1", "m2"]):
            method.infer(batch, given, Streams(0))
    assert calls == ["m0", "m1", "m2"]
    method.infer(batch, ["m0"], Streams(0))
    assert calls == ["m0", "m1", "m2", "m0"]


def test_another_tensor_is_encoded_and_so_is_an_equal_one():
    method, batch = make_method("mopoe").eval(), make_batch(4)
    calls = counting(method)
    with method.encoding_once():
        method.infer(batch, ["m0"], Streams(0))
        method.infer({"m0": batch["m0"].clone()}, ["m0"], Streams(0))
        again = method.infer(batch, ["m0"], Streams(0))
    assert calls == ["m0"] * 3
    assert torch.equal(again.z, method.infer(batch, ["m0"], Streams(0)).z)


def test_nothing_is_remembered_after_an_error():
    method, batch = make_method("mopoe").eval(), make_batch(4)
    calls = counting(method)
    with pytest.raises(ValueError, match="subset"), method.encoding_once():
        method.infer(batch, ["m0"], Streams(0)), method.infer(batch, [], Streams(0))
    method.infer(batch, ["m0"], Streams(0))
    assert calls == ["m0", "m0"]


# Another prior


def test_the_same_model_under_another_prior():
    method = make_method("mmvaeplus").eval()
    before = method.prior
    prior = NormalPrior(NormalPriorConfig(scale=5.0), 4)
    other = method.with_prior(prior)
    assert type(other) is type(method)
    assert method.prior is before
    assert other.prior is prior
    assert other.encoders is method.encoders
    assert other.decoders is method.decoders
    assert not other.training
    assert dict(other.named_modules())["prior"] is prior
    assert other.sample_prior(2000, Streams(0)).z.std().item() == pytest.approx(5.0, rel=0.1)
    assert method.sample_prior(2000, Streams(0)).z.std().item() == pytest.approx(math.sqrt(2), rel=0.1)
    latents = method.sample_prior(4, Streams(1))
    change = prior.log_prob(latents.z) - before.log_prob(latents.z)
    torch.testing.assert_close(other.log_prior(latents) - method.log_prior(latents), change)


def test_another_prior_brings_its_own_parameters_and_shares_the_others():
    method = make_method("mmvae")
    other = method.with_prior(make_method("ebm-base").prior)
    assert set(method.parameters()) < set(other.parameters())
    assert {group["name"] for group in other.parameter_groups()} == {"networks", "energy"}
    assert {group["name"] for group in method.parameter_groups()} == {"networks"}
    assert other.settled == 0.0
    with torch.no_grad():
        next(iter(other.encoders["m0"].parameters())).fill_(3.0)
    assert (next(iter(method.encoders["m0"].parameters())) == 3.0).all()


# How networks are computed


def test_mixed_precision_is_of_training_and_of_networks_alone():
    method, batch = make_method("mmvae").eval(), make_batch(4)
    exact = method.loss(batch, Streams(0))[0]
    method.use(mixed_precision=True, channels_last=False)
    assert torch.equal(method.loss(batch, Streams(0))[0], exact)
    dtypes = []
    method.decoders["m0"].register_forward_hook(lambda module, inputs, output: dtypes.append(output.dtype))
    loss, terms = method.train().loss(batch, Streams(0))
    assert dtypes == [torch.bfloat16]
    assert {loss.dtype, *(term.dtype for term in terms.values())} == {torch.float32}
    method.use(mixed_precision=False, channels_last=False)
    method.loss(batch, Streams(0))
    assert dtypes == [torch.bfloat16, torch.float32]


def test_channels_last_moves_parameters_and_changes_none():
    method = make_method("mmvae", network="conv")
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.use(mixed_precision=False, channels_last=True)
    assert method.encoders["m0"].trunk[0].weight.is_contiguous(memory_format=torch.channels_last)
    after = method.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(value, after[name]) for name, value in before.items())


# Streams and latents


def test_streams_of_one_seed_repeat_and_do_not_shift_each_other():
    one, other = Streams(3), Streams(3)
    torch.rand(100, generator=other.langevin)
    assert torch.equal(torch.rand(5, generator=one.noise), torch.rand(5, generator=other.noise))


def test_no_two_streams_of_any_seeds_are_the_same():
    draws = {
        tuple(torch.rand(3, generator=getattr(Streams(seed), name)).tolist())
        for seed in range(4)
        for name in Streams.NAMES
    }
    assert len(draws) == 8


def test_streams_resume_where_they_were():
    streams = Streams(0)
    torch.rand(7, generator=streams.noise)
    state = streams.state_dict()
    expected = [torch.rand(5, generator=getattr(streams, name)) for name in Streams.NAMES]
    restored = Streams(9)
    restored.load_state_dict(state)
    for name, value in zip(Streams.NAMES, expected, strict=True):
        assert torch.equal(torch.rand(5, generator=getattr(restored, name)), value)


def test_rows_of_latents():
    latents = Latents(torch.arange(6.0)[:, None], {"m0": torch.arange(6.0)[:, None] * 10})
    assert len(latents) == 6
    assert latents[2:4].z.flatten().tolist() == [2, 3]
    assert latents[torch.tensor([5, 0])].w["m0"].flatten().tolist() == [50, 0]


# Decoding and likelihoods


@torch.no_grad()
def test_log_likelihood_sums_every_modality_with_its_weight():
    batch = hetero_data(train=5).train.batch(slice(None))
    method = make_method("mvae", modalities=HETERO_MODALITIES).eval()
    z = torch.randn(2, 3, 5, 4)
    expected = torch.zeros(2, 3, 5)
    for name, modality in method.modalities.items():
        for k in range(2):
            for e in range(3):
                parameters = method.decode(Latents(z[k, e]), [name])[name]
                expected[k, e] += modality.log_likelihood(batch[name], parameters)
    torch.testing.assert_close(method.log_likelihood(batch, z), expected, rtol=1e-5, atol=1e-2)


def test_only_named_modalities_are_decoded_with_their_own_private_latents():
    method = make_method("mmvaeplus").eval()
    latents = method.sample_prior(3, Streams(0))
    parameters = method.decode(latents, ["m2", "m0"])
    assert list(parameters) == ["m2", "m0"]
    own = torch.cat([latents.w["m2"], latents.z], -1)
    assert torch.equal(parameters["m2"], method.decoders["m2"](own))


# Refusals


def test_a_method_needs_a_modality():
    with pytest.raises(ValueError, match="at least one modality"):
        MMVAE(MMVAEConfig(), ())


def test_a_method_without_a_density_says_so():
    class Silent(MMVAE):
        propose = MMVAE.__mro__[1].propose

    method = Silent(make_method("mmvae").config, make_method("mmvae").modalities.values())
    with pytest.raises(NotImplementedError, match="Silent gives no density of its joint posterior"):
        method.propose(make_batch(2), 1, Streams(0))


def test_the_first_setting_that_does_not_hold_is_named():
    require(alpha=(1, True, "anything"))
    with pytest.raises(ValueError, match=r"beta=2: must be < 1"):
        require(alpha=(1, True, "anything"), beta=(2, False, "< 1"), gamma=(3, False, "no matter"))


@pytest.mark.parametrize(
    ("progress", "start", "length", "value"),
    [(0.0, 0.0, 0.0, 1.0), (0.4, 0.5, 0.2, 0.0), (0.5, 0.5, 0.0, 1.0), (0.6, 0.5, 0.2, 0.5), (1.0, 0.5, 0.2, 1.0)],
)
def test_ramp(progress, start, length, value):
    assert ramp(progress, start, length) == pytest.approx(value)


def test_a_prior_needs_a_density_and_samples_alone():
    class Point(Prior):
        def log_prob(self, z, progress=1.0):
            return z.sum(-1)

        def sample(self, n, streams):
            return torch.zeros(n, 4)

    method = make_method("mmvae").with_prior(Point())
    assert method.loss(make_batch(3), Streams(0))[0].isfinite()
    assert not method.sample_base(3, Streams(0)).z.any()
    assert method.prior.log_partition(5, Streams(0)) == (0.0, math.inf)
    assert method.settled == 0.0
