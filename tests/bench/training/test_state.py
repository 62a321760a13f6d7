import pytest
import torch

from bench.errors import BenchError
from bench.training.loop import Interrupted
from bench.training.state import State, load_model
from tests.bench.training.test_loop import after, equal, make, run


def test_an_epochs_row_is_the_mean_over_the_steps_that_have_the_term():
    state = State(seconds=2.0)
    state.add({"loss": torch.tensor(1.0)})
    state.add({"loss": torch.tensor(3.0), "late": torch.tensor(5.0)})
    state.finish_epoch(1)
    assert state.history == [{"epoch": 1, "seconds": 2.0, "loss": 2.0, "late": 5.0}]
    assert (state.step, state.sums, state.counts) == (2, {}, {})


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_checkpoint_that_cannot_be_read_says_what_to_do(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    run(make("mmvae"), path)
    path.write_bytes(path.read_bytes()[:2000] if damage is None else damage)
    with pytest.raises(BenchError, match="--force"):
        run(make("mmvae"), path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run(make("mmvae"), tmp_path / "checkpoint.pt")
    with pytest.raises(BenchError, match="another version"):
        run(make("mmvaeplus"), tmp_path / "checkpoint.pt")


def test_parameters_of_a_finished_training_load_into_another_method(tmp_path):
    method, other = make("mmvae"), make("mmvae", seed=5)
    run(method, tmp_path / "checkpoint.pt")
    load_model(tmp_path / "checkpoint.pt", other)
    assert equal(other, method)
    with pytest.raises(BenchError, match="No such file"):
        load_model(tmp_path / "other.pt", other)


def test_the_checkpoint_before_is_no_model(tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        run(make("mmvae"), path, stop=after(5))
    run(make("mmvae"), path)
    path.write_bytes(b"damaged")
    with pytest.raises(BenchError, match="damaged"):
        load_model(path, make("mmvae"))
