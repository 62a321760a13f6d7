"""How far a run is, in words."""

from __future__ import annotations

from bench.training.state import Progress


def describe(progress: Progress) -> str:
    """Such as: epoch 3/8  loss 6123.4  2210 samples/s  1:05 left."""
    return "  ".join(filter(None, parts(progress)))


def parts(progress: Progress) -> tuple[str, str, str, str]:
    """The parts of `describe`, of which the loss is empty before the end of the first epoch."""
    loss = "" if progress.loss is None else f"loss {progress.loss:.1f}"
    rate = f"{progress.samples_per_second:.0f} samples/s"
    return f"epoch {progress.epoch}/{progress.epochs}", loss, rate, f"{clock(progress.seconds_left)} left"


def clock(seconds: float) -> str:
    """Such as 1:05 and 53:05:07."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def about(seconds: float) -> str:
    """As precise as an estimate can be: about 40 s, about 5 min, about 2.5 h."""
    if seconds < 95:
        return f"about {max(10, round(seconds, -1)):.0f} s"
    if seconds < 95 * 60:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h" if seconds < 36_000 else f"about {seconds / 3600:.0f} h"
