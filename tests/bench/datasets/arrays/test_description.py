"""dataset.yaml of a folder of arrays: what is wrong with it is said in a sentence."""

from __future__ import annotations

import pytest

from tests.bench.datasets.arrays.conftest import refused


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "dataset.yaml is empty"),
        ("7", "dataset.yaml: expected the sections modalities and labels, got 7"),
        ("modalties: {}", "dataset.yaml: unknown section 'modalties': did you mean 'modalities'?"),
        ("labels: {a: 2}", "modalities: expected the name of each modality and its kind, got None"),
        ("modalities: {a: {kind: image}}", "modalities: names 1, and a multimodal dataset has at least two"),
        ("modalities: {a: {kind: sound}, b: {kind: image}}", "modalities: a: kind: unknown value 'sound'"),
        ("modalities: {a: {}, b: {kind: image}}", "modalities: a: the key 'kind' is missing"),
        ("modalities: {a: image, b: {kind: image}}", "modalities: a: expected keys and values, got 'image'"),
        ("modalities: {a: {kind: image, scal: 1}, b: {kind: image}}", "unknown key 'scal': did you mean 'scale'?"),
        ("modalities: {a: {kind: image, scale: 0}, b: {kind: image}}", "scale=0.0: must be a number above 0"),
        ("modalities: {a: {kind: image, likelihood: categorical}, b: {kind: image}}", "must be one of laplace, normal"),
        ("modalities: {a: {kind: image, tokens: 4}, b: {kind: image}}", "a text has 2 to 256 of them"),
        ("modalities: {a: {kind: text, tokens: 1}, b: {kind: image}}", "tokens=1: a text has 2 to 256 of them"),
        ("modalities: {../a: {kind: image}, b: {kind: image}}", "../a: expected a name of up to 40 letters"),
        ("modalities: {a.b: {kind: image}, b: {kind: image}}", "a.b: expected a name of up to 40 letters"),
        ("modalities: {items: {kind: image}, b: {kind: image}}", "items: PyTorch has a use of its own for this name"),
        ("modalities: {a: {kind: image}, b: {kind: image}}\nlabels: {a: 2}", "a is a modality and a label"),
        ("modalities: {a: {kind: image}, b: {kind: image}}\nlabels: {c/d: 2}", "c/d: expected a name"),
        (
            "modalities: {a: {kind: image}, b: {kind: image}}\nlabels: {c: 1}",
            "c: expected a number of classes, 2 to ",
        ),
        ("modalities: {a: {kind: image}, b: {kind: image}}\nlabels: {c: true}", "c: expected a number of classes"),
        ("modalities: {a: {kind: image}, b: {kind: image}}\nlabels: [c]", "labels: expected the name of each label"),
        ("modalities: {a: {kind: image}, b: {kind: image}}", "there is no train/a.npy, or a.npz: a row of it is a of"),
        ("modalities: [", "dataset.yaml: cannot be read (line 1:"),
        ("a: !!python/object/apply:os.system [ls]", "tags such as !!int are not allowed"),
    ],
)
def test_a_description_that_is_not_as_expected_is_told(folder, text, sentence):
    (folder / "dataset.yaml").write_text(text)
    assert sentence in refused(folder)
