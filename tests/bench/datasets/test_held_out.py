import pytest
import torch

from bench.datasets.held_out import hold_out
from tests.toy import hetero_data, image_data


def rows(data, share):
    return tuple(part.rows.tolist() for part in hold_out(data.train, share))


def test_a_share_of_nothing_is_the_split_itself():
    split = image_data().train
    assert hold_out(split, 0.0) == (split, None)


@pytest.mark.parametrize(("share", "held"), [(0.05, 5), (0.25, 24), (0.5, 48), (0.0001, 2)])
def test_every_tuple_is_in_one_part(share, held):
    kept, out = rows(image_data(), share)
    assert len(out) == held
    assert sorted(kept + out) == list(range(96))


def test_which_tuples_is_a_function_of_the_datas_size_alone():
    first = rows(image_data(), 0.25)
    torch.manual_seed(7)
    assert rows(image_data(seed=1), 0.25) == rows(hetero_data(), 0.25) == first
    assert rows(image_data(train=95), 0.25) != first


def test_a_larger_share_holds_out_what_a_smaller_one_does():
    assert set(rows(image_data(), 0.05)[1]) < set(rows(image_data(), 0.25)[1])


def test_a_random_subset_has_every_class():
    """The toy data are sorted by nothing but i mod 4, of which a regular subset would be one class."""
    _, out = hold_out(image_data().train, 0.25)
    assert out.labels["digit"].unique().tolist() == [0, 1, 2, 3]


def test_a_part_gives_the_splits_items_and_labels():
    split = hetero_data().train
    kept, out = hold_out(split, 0.25)
    for part in (kept, out):
        assert part.device == split.device
        chosen = torch.tensor([3, 0, 1])
        batch, expected = part.batch(chosen), split.batch(part.rows[chosen])
        assert all(torch.equal(batch[name], x) for name, x in expected.items())
        assert all(torch.equal(part.labels[name], y[part.rows]) for name, y in split.labels.items())
        assert len(part.batch(slice(0, 4))["photo"]) == 4
