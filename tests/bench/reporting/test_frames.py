"""What is made of data frames is made once."""

import pandas as pd

from bench.reporting.frames import MOST, made_once, records


def test_what_is_made_of_the_same_frames_is_made_once_and_of_others_again():
    made = []
    count = made_once(lambda *frames: made.append(len(frames)) or sum(map(len, frames)))
    one, other = pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1, 2]})
    assert [count(one), count(one, other), count(one), count(one, other)] == [1, 3, 1, 3]
    assert made == [1, 2]


def test_it_is_forgotten_with_the_frame_that_it_was_made_of():
    made = []
    count = made_once(lambda frame: made.append(id(frame)))
    for _ in range(2 * MOST):
        frame = pd.DataFrame({"x": [1]})  # often where the one before was
        count(frame)
        del frame
    assert len(made) == 2 * MOST


def test_only_the_latest_are_remembered():
    made = []
    count = made_once(lambda frame: made.append(len(frame)))
    frames = [pd.DataFrame({"x": range(n)}) for n in range(MOST + 1)]
    for frame in (*frames, frames[-1], frames[0]):
        count(frame)
    assert made == [*range(MOST + 1), 0]


def test_records_are_the_rows():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, dtype=object)
    assert records(frame) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert records(frame) is records(frame)
