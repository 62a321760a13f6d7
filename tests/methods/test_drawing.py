import numpy as np
import pytest
import torch

from methods.drawing import draw_sentences
from methods.modality import END, PAD, SPECIAL, ImageModality, TextModality

WORDS = (*SPECIAL, "a", "very", "incomprehensibilities")


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 8, 9)])
@pytest.mark.parametrize("scale", [1, 3])
def test_pixels_are_drawn_as_squares(shape, scale):
    images = torch.rand(2, *shape)
    pictures = ImageModality("m", shape).draw(images, scale)
    assert [picture.size for picture in pictures] == [(shape[2] * scale, shape[1] * scale)] * 2
    expected = (images * 255).round().to(torch.uint8).expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    expected = expected.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    for picture, pixels in zip(pictures, expected, strict=True):
        assert np.array_equal(np.asarray(picture), pixels.numpy())


def test_what_lies_outside_0_and_1_is_clamped():
    (picture,) = ImageModality("m", (1, 1, 2)).draw(torch.tensor([[[[-3.0, 7.0]]]], requires_grad=True), 1)
    assert np.asarray(picture)[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_sentences_are_as_high_as_the_longest_of_them():
    modality = TextModality("caption", (12,), vocabulary=WORDS)
    items = torch.full((3, 12), PAD)
    items[0, 0] = END
    items[1, :3] = torch.tensor([3, 4, END])
    items[2, :5] = torch.tensor([4, 4, 4, 4, 4])
    empty, short, longer = modality.draw(items, 2)
    assert empty.size == short.size == longer.size == (56, 45)  # "very very" is a line of three
    ink = [(255.0 - np.asarray(picture)).sum() for picture in (empty, short, longer)]
    assert ink[0] == 0 < ink[1] < ink[2]
    assert modality.draw(items[:2], 2)[0].size == (56, 31)
    assert modality.draw(items, 2, width=300)[0].size == (300, 31)


def test_what_is_drawn_stays_within_the_picture():
    for width in (24, 40, 128):
        (picture,) = draw_sentences(["an incomprehensible \N{LATIN SMALL LETTER E WITH ACUTE} of W WWWW i"], width)
        assert picture.width == width
        edges = np.asarray(picture.convert("L"))
        assert (edges[:, [0, -1]] == 255).all()
        assert (edges[-1] == 255).all()
        assert (edges < 128).any()


def test_a_sentence_of_one_word_has_room():
    (picture,) = TextModality("caption", (1,), vocabulary=WORDS).draw(torch.tensor([[3]]))
    assert picture.size == (84, 31)
