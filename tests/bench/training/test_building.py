import torch

from bench.training.acceleration import Acceleration
from bench.training.building import build_method
from tests.bench.conftest import tiny_config
from tests.toy import image_data

CPU = torch.device("cpu")


def test_initial_parameters_are_a_function_of_the_seed_alone():
    config, data = tiny_config("ebm-generalized"), image_data()
    torch.manual_seed(7)
    state = torch.get_rng_state()
    one, same, other = (build_method(config, data.modalities, CPU, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_a_method_is_for_the_datas_modalities_and_as_fast_as_asked():
    data = image_data(m=2)
    method = build_method(tiny_config("mopoe"), data.modalities, CPU, 0)
    assert tuple(method.modalities.values()) == data.modalities
    assert not method.mixed_precision
    assert build_method(
        tiny_config("mopoe"), data.modalities, CPU, 0, Acceleration(mixed_precision=True)
    ).mixed_precision
