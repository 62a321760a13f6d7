import pytest
import torch

from bench import speed
from bench.acceleration import Acceleration, accelerate, choose
from methods import METHODS
from methods.base import Streams
from tests.bench.conftest import tiny_config
from tests.conftest import make_batch, make_method, modalities

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
EVERYTHING = Acceleration(bfloat16=True, channels_last=True)


def loss_of(method, device="cpu"):
    batch = {name: x.to(device) for name, x in make_batch(64).items()}
    return method.to(device).loss(batch, Streams(0, device))[0]


@pytest.mark.parametrize("network", ["patch", "conv"])
@pytest.mark.parametrize("name", ["mopoe", "ebm-generalized"])
def test_bfloat16_changes_the_loss_by_its_precision_alone(name, network):
    exact, fast = (make_method(name, network=network) for _ in range(2))
    accelerate(fast, EVERYTHING)
    loss = loss_of(fast)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(loss_of(exact).item(), rel=5e-3)
    assert loss.item() != loss_of(exact).item()


def test_networks_give_float32_and_energies_never_see_bfloat16():
    method, seen = make_method("ebm-base"), []
    accelerate(method, EVERYTHING)
    method.prior.energy[0].register_forward_hook(lambda _module, inputs, output: seen.append(output.dtype))
    method.loss(make_batch(4), Streams(0))
    assert set(seen) == {torch.float32}
    assert {h.dtype for h in method.encoders["m0"](make_batch(4)["m0"])} == {torch.float32}


def test_evaluation_is_exact():
    exact, fast = (make_method("mmvae", network="conv").eval() for _ in range(2))
    accelerate(fast, Acceleration(bfloat16=True))
    batch = make_batch(4)
    one, other = (method.decode(method.infer(batch, ["m0"], Streams(0)), ["m1"])["m1"] for method in (exact, fast))
    assert torch.equal(one, other)


def test_parameters_keep_names_and_values():
    method, fast = (make_method("mmvae", network="conv") for _ in range(2))
    accelerate(fast, EVERYTHING)
    assert list(method.state_dict()) == list(fast.state_dict())
    assert all(torch.equal(x, fast.state_dict()[name]) for name, x in method.state_dict().items())


def test_the_cpu_computes_as_it_always_did():
    assert choose(torch.device("cpu")) == Acceleration()


# On an accelerator


@CUDA
@pytest.mark.parametrize("name", METHODS)
def test_the_loss_on_cuda_is_the_cpus(name, monkeypatch):
    """The same noise on both: what they draw depends on the dimension alone."""
    from methods.distributions import Laplace, Normal

    def rsample(self, generator=None, shape=()):
        eps = torch.linspace(-1.5, 2.0, self.loc.shape[-1], device=self.loc.device)
        return (self.loc + self.scale * eps).expand(*shape, *self.loc.shape)

    for family in (Laplace, Normal):
        monkeypatch.setattr(family, "rsample", rsample)
    settings = {"experts": "all"} if hasattr(make_method(name).config, "experts") else {}
    if name.startswith("ebm"):
        settings["prior"] = {"steps": 0}
    cpu = loss_of(make_method(name, network="conv", **settings))
    assert loss_of(make_method(name, network="conv", **settings), "cuda").item() == pytest.approx(cpu.item(), rel=1e-3)


@CUDA
@pytest.mark.parametrize("way", list(speed.WAYS))
@pytest.mark.parametrize("name", ["mvae", "mmvae", "mopoe", "ebm-generalized"])
def test_every_way_to_train_lowers_the_loss(name, way):
    device = torch.device("cuda")
    candidate = speed.WAYS[way](tiny_config(name), modalities(), device)
    batch = {key: x.to(device) for key, x in make_batch(16).items()}
    before = candidate.method.loss(batch, Streams(0, device))[0].item()
    for _ in range(30):
        candidate.step(batch)
    assert candidate.method.loss(batch, Streams(0, device))[0].item() < before
