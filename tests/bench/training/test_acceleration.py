import pytest
import torch

from bench.datasets.held_out import hold_out
from bench.evaluation.validation import Validation
from bench.training import acceleration
from bench.training.acceleration import Acceleration, accelerate, choose, thread_count
from bench.training.graphs import WARM_UP
from bench.training.loop import train
from methods import METHODS
from methods.base import Streams
from methods.distributions import Laplace, Normal
from tests.bench.conftest import tiny_config
from tests.conftest import BandClassifiers, make_batch, make_method
from tests.toy import image_data

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
EVERYTHING = Acceleration(mixed_precision=True, channels_last=True)


def loss_of(method, device="cpu"):
    batch = {name: x.to(device) for name, x in make_batch(64).items()}
    return method.to(device).loss(batch, Streams(0, device))[0]


@pytest.mark.parametrize("network", ["patch", "conv"])
@pytest.mark.parametrize("name", METHODS)
def test_mixed_precision_changes_the_loss_by_its_precision_alone(name, network):
    exact, fast = (make_method(name, network=network) for _ in range(2))
    accelerate(fast, EVERYTHING)
    loss = loss_of(fast)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(loss_of(exact).item(), rel=5e-3)
    assert loss.item() != loss_of(exact).item()


def test_networks_give_float32_and_priors_never_see_bfloat16():
    method, seen = make_method("ebm-base"), []
    accelerate(method, EVERYTHING)
    for module in method.prior.modules():
        module.register_forward_hook(lambda _module, inputs, output: seen.append(output.dtype))
    method.loss(make_batch(4), Streams(0))
    assert set(seen) == {torch.float32}
    assert {h.dtype for h in method.encode("m0", make_batch(4)["m0"])} == {torch.float32}


def test_evaluation_is_exact():
    exact, fast = (make_method("mmvae", network="conv").eval() for _ in range(2))
    accelerate(fast, Acceleration(mixed_precision=True))
    batch = make_batch(4)
    one, other = (method.decode(method.infer(batch, ["m0"], Streams(0)), ["m1"])["m1"] for method in (exact, fast))
    assert torch.equal(one, other)


def test_parameters_keep_names_and_values():
    method, fast = (make_method("mmvae", network="conv") for _ in range(2))
    accelerate(fast, EVERYTHING)
    assert list(method.state_dict()) == list(fast.state_dict())
    assert all(torch.equal(x, fast.state_dict()[name]) for name, x in method.state_dict().items())
    convolutions = [p for p in fast.parameters() if p.dim() == 4]
    assert convolutions
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in convolutions)


def test_a_cpu_computes_exactly():
    assert choose(torch.device("cpu")) == Acceleration()


def test_more_threads_than_cores_are_a_warning(caplog, monkeypatch):
    monkeypatch.setattr(acceleration, "cores", lambda: 1)
    before = torch.get_num_threads()
    with thread_count(3):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    assert "started with 3 threads, but there are 1 cores" in caplog.text


# On an accelerator


def without_chance(name):
    """A method whose loss is the same function on every device, as far as noise is: all experts, no chains."""
    method = make_method(name, network="conv")
    experts = {"experts": "all"} if hasattr(method.config, "experts") else {}
    return make_method(name, network="conv", **experts, **({"prior": {"steps": 0}} if method.prior.chain_steps else {}))


@CUDA
@pytest.mark.parametrize("name", METHODS)
def test_the_loss_on_cuda_is_the_cpus(name, monkeypatch):
    """The same noise on both: what they draw depends on the dimension alone."""

    def rsample(self, generator=None, shape=()):
        eps = torch.linspace(-1.5, 2.0, self.loc.shape[-1], device=self.loc.device)
        return (self.loc + self.scale * eps).expand(*shape, *self.loc.shape)

    for family in (Laplace, Normal):
        monkeypatch.setattr(family, "rsample", rsample)
    cpu = loss_of(without_chance(name))
    assert loss_of(without_chance(name), "cuda").item() == pytest.approx(cpu.item(), rel=1e-3)


@CUDA
@pytest.mark.parametrize("name", METHODS)
def test_a_training_by_graph_ends_where_one_without_does(name, tmp_path):
    device, states, parameters = torch.device("cuda"), [], []
    data = image_data().to(device).train
    for graph in (False, True):
        method = make_method(name).to(device)
        states.append(train(method, data, tiny_config(name).trainer, 0, tmp_path / str(graph), graph=graph))
        parameters.append(torch.cat([p.detach().flatten() for p in method.parameters()]))
    assert states[1].graphed == states[1].step - WARM_UP
    assert states[1].history[-1]["loss"] == pytest.approx(states[0].history[-1]["loss"], rel=1e-2)
    torch.testing.assert_close(parameters[1], parameters[0], rtol=0, atol=1e-2)


@CUDA
@pytest.mark.parametrize("name", METHODS)
def test_measuring_between_the_steps_of_a_graph_leaves_them_as_they_are(name, tmp_path):
    """Up to what atomic sums on the device change from run to run."""
    data, states, parameters = image_data().to("cuda"), [], []
    trainer = tiny_config(name, "trainer.validation=0.1", "trainer.batch_size=14").trainer
    kept, out = hold_out(data.train, trainer.validation)
    for measured in (True, False):
        method = make_method(name).to("cuda")
        validate = Validation(method, kept, out, BandClassifiers(), data.attributes, 0, 14) if measured else None
        states.append(train(method, kept, trainer, 0, tmp_path / str(measured), graph=True, validate=validate))
        parameters.append(torch.cat([p.detach().flatten() for p in method.parameters()]))
    assert states[0].graphed == states[1].graphed > 0
    assert states[0].history[-1]["loss"] == pytest.approx(states[1].history[-1]["loss"], rel=1e-2)
    assert all("validation_cross_coherence" in row for row in states[0].history)
    torch.testing.assert_close(parameters[0], parameters[1], rtol=0, atol=1e-2)
