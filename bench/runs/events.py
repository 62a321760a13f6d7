"""history.csv as an event file of TensorBoard, which the optional package `tensorboard` reads and writes.

The file is a function of the run's files: made again while the run is trained it begins with the same bytes, and only
what is new is appended, so that a TensorBoard that shows it sees the run grow.
"""

from __future__ import annotations

import io
import math
from datetime import datetime
from pathlib import Path

from bench.errors import UsageError
from bench.runs.history import History, read_history
from bench.runs.run import Layout
from bench.runs.store import read_json, write_atomic

NAME = "events.out.tfevents.{}.bench"  # TensorBoard knows event files by their names
HELD_OUT = "validation_"
INSTALL = 'bench tensorboard needs the package tensorboard: pip install -c constraints.txt -e ".[tensorboard]"'


def write_events(run: Layout, folder: Path) -> None:
    """Makes or continues the run's event file in a folder of its own; one of an earlier training of the run goes.

    Raises:
        Unreadable: history.csv is no history.
        UsageError: tensorboard is not installed.
        OSError: the file cannot be written.
    """
    history, began = read_history(run.history_file), started(run)
    content, path = events(history, began), folder / NAME.format(int(began))
    for other in folder.glob(NAME.format("*")):
        if other != path:
            other.unlink()
    there = path.read_bytes() if path.is_file() else b""
    if there and content.startswith(there):
        with path.open("ab") as file:
            file.write(content[len(there) :])
    else:
        write_atomic(path, lambda file: file.write(content))


def events(history: History, began: float) -> bytes:
    """One event per epoch, at the time of training at which it ended.

    Args:
        began: seconds since 1970 (UTC).
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 (an optional package)
        from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(INSTALL) from error
    content = io.BytesIO()
    records = RecordWriter(content)
    records.write(Event(wall_time=began, file_version="brain.Event:2").SerializeToString())
    for row, epoch in enumerate(history.epochs):
        values = {term: column[row] for term, column in history.terms.items() if not math.isnan(column[row])}
        seconds = values.pop("seconds", 0.0)
        scalars = [Summary.Value(tag=tag(term), simple_value=value) for term, value in values.items()]
        event = Event(wall_time=began + seconds, step=epoch, summary=Summary(value=scalars))
        records.write(event.SerializeToString())
    return content.getvalue()


def tag(term: str) -> str:
    """Where TensorBoard shows it: training/loss, validation/joint_coherence."""
    held_out = term.startswith(HELD_OUT)
    return f"validation/{term.removeprefix(HELD_OUT)}" if held_out else f"training/{term}"


def started(run: Layout) -> float:
    """When the run's first session began, in seconds since 1970 (UTC); 0 where provenance.json does not say."""
    try:
        text = read_json(run.provenance_file)["sessions"][0]["started"]
        return datetime.fromisoformat(text).timestamp()
    except (OSError, ValueError, LookupError, TypeError):
        return 0.0
