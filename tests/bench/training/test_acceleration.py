import pytest
import torch

from bench.speed import measure as speed
from bench.training import acceleration
from bench.training.acceleration import WARM_UP, Acceleration, GraphedStep, accelerate, choose
from bench.training.loop import train
from methods import METHODS
from methods.base import Streams
from tests.bench.conftest import tiny_config
from tests.conftest import make_batch, make_data, make_method, modalities

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


# A step as a graph; what captures it is the device's, and stands aside here


@pytest.fixture
def device(monkeypatch):
    """What was done, in order, by a device that captures by keeping the function."""
    done = []

    def aside(step, inputs):
        done.append("aside")
        return step(inputs)

    def capture(step, inputs, streams):
        done.append("capture")

        def replay(inputs):
            done.append("replay")
            return step(inputs)

        return replay

    monkeypatch.setattr(acceleration, "aside", aside)
    monkeypatch.setattr(acceleration, "capture", capture)
    return done


def test_every_call_of_a_graphed_step_is_one_step(device):
    seen = []
    step = GraphedStep(lambda inputs: seen.append(inputs["rows"].item()) or {"loss": inputs["rows"]}, Streams(0))
    terms = [step({"rows": torch.tensor(row)})["loss"].item() for row in range(WARM_UP + 2)]
    assert seen == terms == list(range(WARM_UP + 2))
    assert device == ["aside"] * WARM_UP + ["capture", "replay", "replay"]
    assert step.captured


def test_a_step_that_cannot_be_captured_is_made_without(device, monkeypatch, caplog):
    def capture(*_):
        raise RuntimeError("operation not permitted")

    monkeypatch.setattr(acceleration, "capture", capture)
    step = GraphedStep(lambda inputs: {"loss": inputs["rows"] * 2}, Streams(0))
    terms = [step({"rows": torch.tensor(row)})["loss"].item() for row in range(WARM_UP + 2)]
    assert terms == [2 * row for row in range(WARM_UP + 2)]
    assert not step.captured
    assert [record.message for record in caplog.records] == [
        "the training step cannot be a CUDA graph (operation not permitted): it is made without"
    ]


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


@CUDA
@pytest.mark.parametrize("name", METHODS)
def test_a_training_by_graph_ends_where_one_without_does(name, tmp_path):
    device, states, parameters = torch.device("cuda"), [], []
    data = make_data().to(device).train
    for graph in (False, True):
        method = make_method(name).to(device)
        states.append(train(method, data, tiny_config(name).trainer, 0, tmp_path / str(graph), graph=graph))
        parameters.append(torch.cat([p.detach().flatten() for p in method.parameters()]))
    assert states[1].graphed == states[1].step - WARM_UP
    assert states[1].history[-1]["loss"] == pytest.approx(states[0].history[-1]["loss"], rel=1e-2)
    torch.testing.assert_close(parameters[1], parameters[0], rtol=0, atol=1e-2)
