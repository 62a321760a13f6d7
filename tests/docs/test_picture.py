"""The picture on the first page shows the committed runs."""

import importlib.util

import numpy as np
from PIL import Image

from tests.docs.blocks import ROOT


def test_its_samples_and_numbers_are_those_of_the_committed_runs():
    spec = importlib.util.spec_from_file_location("readme_picture", ROOT / "scripts/readme_picture.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with Image.open(script.PICTURE) as file:
        picture = file.convert("RGB")
    made = script.draw()
    assert picture.size == made.size
    for row, methods in enumerate(script.ROWS):
        for column, method in enumerate(methods):
            left, top = script.place(row, column)
            box = (left, top, left + script.SHOWN * script.SIDE, top + script.MODALITIES * script.SIDE)
            ours, theirs = (np.asarray(image, float) for image in (picture.crop(box), script.samples(method)))
            assert np.abs(ours - theirs).mean() < 4  # of 255: it has fewer colours
    assert "MMVAE, energy prior: joint coherence 0.89 [0.87, 0.91], 5 seeds" in script.caption(
        "ebm-base", script.pd.read_csv(script.RESULTS / "leaderboard.csv")
    )
