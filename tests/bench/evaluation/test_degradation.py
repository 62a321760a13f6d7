import torch

from bench.evaluation.degradation import augment, degrade, forget_words, neighbours
from methods.modality import END, PAD, UNKNOWN


def test_degraded_images_keep_their_shape_and_half_are_sharp():
    images = torch.rand(200, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    once, twice = (degrade(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(once, twice)
    assert once.shape == images.shape
    untouched = (once - images).flatten(1).abs().max(1).values < 1e-6
    assert 10 < untouched.sum() < 45  # an eighth: none of the three
    assert once.flatten(1).std(1).mean() < images.flatten(1).std(1).mean()


def test_degraded_and_augmented_images_are_those_of_all_earlier_classifiers():
    """Cached classifiers and published numbers rest on these draws."""
    images = torch.linspace(0, 1, 6 * 3 * 8 * 8).view(6, 3, 8, 8)
    generator = torch.Generator().manual_seed(3)
    moved = augment(images, generator)
    expected = torch.tensor([0.076574, 0.236326, 0.401717, 0.568917, 0.740392, 0.901606])
    assert torch.allclose(moved[:, 1, 2, 3], expected, atol=2e-6)
    expected = torch.tensor([0.058209, 0.236326, 0.401717, 0.567609, 0.741602, 0.998878])
    assert torch.allclose(degrade(moved, generator)[:, 1, 2, 3], expected, atol=2e-6)


def test_a_blur_is_the_mean_of_each_pixel_and_its_neighbours():
    image = torch.tensor([[9.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 18]])
    rows, columns = (neighbours(size, image.device) for size in image.shape)
    # The corner is there four times in its own window: twice by row, twice by column.
    assert torch.allclose(rows @ image @ columns.T, torch.tensor([[4.0, 2, 0, 0], [2, 1, 2, 4], [0, 0, 4, 8]]))


def test_larger_images_are_blurred_further():
    images = torch.rand(50, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    once, often = (degrade(images, torch.Generator().manual_seed(1), blurs) for blurs in (1, 4))
    same = (once - often).flatten(1).abs().max(1).values == 0
    assert 15 < same.sum() < 35  # half are not blurred
    assert often[~same].flatten(1).std(1).mean() < once[~same].flatten(1).std(1).mean()


def test_augmented_images_keep_their_shape_and_range():
    images = torch.rand(6, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert -1e-5 <= moved.min() <= moved.max() <= 1 + 1e-5
    assert not torch.allclose(moved, images, atol=0.1)
    assert torch.equal(moved, augment(images, torch.Generator().manual_seed(0)))
    assert augment(torch.full((2, 3, 28, 28), 0.5), torch.Generator()).sub(0.5).abs().max() < 1e-5


def test_words_are_forgotten_in_half_of_the_sentences_and_nothing_else_is():
    sentences = torch.tensor([3, 4, 5, 6, UNKNOWN, END, PAD, PAD]).repeat(400, 1)
    once, twice = (forget_words(sentences, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(once, twice)
    changed = once != sentences
    assert (once[changed] == UNKNOWN).all()
    assert not changed[:, 4:].any()
    assert 100 < changed.any(1).sum() < 145  # a half, less those of which no word was chosen
    assert 0.09 < changed[:, :4].float().mean() < 0.16  # an eighth
    assert torch.equal(sentences[0], torch.tensor([3, 4, 5, 6, UNKNOWN, END, PAD, PAD]))
