import pytest
import torch

from bench.training import graphs
from bench.training.graphs import WARM_UP, GraphedStep
from methods.base import Streams


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

    monkeypatch.setattr(graphs, "aside", aside)
    monkeypatch.setattr(graphs, "capture", capture)
    return done


def test_every_call_of_a_graphed_step_is_one_step(device):
    seen = []
    step = GraphedStep(lambda inputs: seen.append(inputs["rows"].item()) or {"loss": inputs["rows"]}, Streams(0))
    terms = [step({"rows": torch.tensor(row)})["loss"].item() for row in range(WARM_UP + 2)]
    assert seen == terms == list(range(WARM_UP + 2))
    assert device == ["aside"] * WARM_UP + ["capture", "replay", "replay"]
    assert step.captured


def test_a_step_that_cannot_be_captured_is_computed_without_a_graph(device, monkeypatch, caplog):
    def capture(*_):
        raise RuntimeError("operation not permitted")

    monkeypatch.setattr(graphs, "capture", capture)
    step = GraphedStep(lambda inputs: {"loss": inputs["rows"] * 2}, Streams(0))
    terms = [step({"rows": torch.tensor(row)})["loss"].item() for row in range(WARM_UP + 2)]
    assert terms == [2 * row for row in range(WARM_UP + 2)]
    assert not step.captured
    assert [record.message for record in caplog.records] == [
        "the training step cannot be a CUDA graph (operation not permitted): training continues without one"
    ]
