"""The device that `--device` names, or `device` in Python."""

from __future__ import annotations

import re

import torch

from bench.errors import UsageError

DEVICES = "auto, cpu, cuda, cuda:N with the number of one, or mps on a Mac"


def choose_device(name: str) -> torch.device:
    """Raises UsageError for a device that torch does not know or this machine does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch("[a-z]+(:[0-9]+)?", name):
        raise UsageError(f"device {name!r}: expected {DEVICES}")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # what `meta` cannot do
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        if reason.startswith("Expected one of"):  # torch names twenty kinds, of which nobody has most
            raise UsageError(f"device {name!r}: expected {DEVICES}") from None
        raise UsageError(f"device {name!r}: not usable here ({reason}); try auto or cpu") from None
    return device
