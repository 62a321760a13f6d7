import pytest

from bench.datasets.cub.attributes import COLOURS, colours_told, majority


def told(caption):
    return {name: " ".join(sorted(colours)) for name, colours in colours_told(caption.split()).items() if colours}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "this bird has a red crown , a white breast and black wings .",
            {"crown": "red", "breast": "white", "wing": "black"},
        ),
        ("a small Brown and Gray bird", {"colour": "brown grey"}),
        (
            "this dark yellow colored bird has wings that are black and has a white belly",
            {"colour": "yellow", "wing": "black", "breast": "white"},
        ),
        ("this bird is black with white and has a long beak", {"colour": "black"}),
        (
            "the bird is mostly blue , its wings are black and the breast is white",
            {"colour": "blue", "wing": "black", "breast": "white"},
        ),
        ("its wings are black and white breast", {"wing": "black", "breast": "black white"}),
        ("the crown of the bird is white", {}),
        ("a bird with a red head , an orange beak and yellow feet", {}),
        ("a yellow-green bodied bird", {"colour": "green yellow"}),
        ("wing feathers are red", {"wing": "red"}),
        ("the wings", {}),
        ("wings are", {}),
        ("", {}),
    ],
)
def test_what_a_caption_tells(caption, expected):
    assert told(caption) == expected


def test_the_label_is_the_colour_with_most_votes():
    red, blue, both = ["red", "bird"], ["blue", "bird"], ["red", "and", "blue", "bird"]
    assert majority([red, red, blue])["colour"] == COLOURS.index("red")
    assert majority([red, both, blue, blue])["colour"] == COLOURS.index("blue")
    assert majority([red, blue, both])["colour"] == -1  # as many
    assert majority([red, ["a"], []]) == {"colour": -1, "crown": -1, "wing": -1, "breast": -1}  # one vote alone
