"""The device that `--device` names."""

from __future__ import annotations

import re

import torch

from bench.errors import UsageError


def choose_device(name: str) -> torch.device:
    """Raises UsageError for a device that torch does not know or this machine does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch("[a-z]+(:[0-9]+)?", name):
        raise UsageError(f"--device {name!r}: expected auto, cpu, cuda, cuda:1, …")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # what `meta` cannot do
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"--device {name!r}: not usable here ({reason}); try auto or cpu") from None
    return device
