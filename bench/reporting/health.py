"""Whether the Langevin chains of an energy prior reach the modes that its energy has.

`energy_gap` is E f(z) of the posterior less E f(z) of the chains. At equilibrium it is small. It falls where the energy
has dug modes that chains from p0 do not reach in their few steps: they stay where the energy is high, and each further
update digs deeper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from bench.runs.history import read_history
from bench.runs.reading import Unreadable

# Measured with energies on the frozen latents of EBM base (bundled PolyMNIST), where z of training tuples has a joint
# coherence of 0.90: chains with a gap of −1.9 reach 0.89, and those with −12 reach 0.73.
HEALTHY = 2.0  # |gap| up to which chains and posterior agree
UNREACHED = -5.0  # gap below which the chains do not reach the energy's modes
STRAINED = "strained"  # the first word of a warning of what lies between


def final_gap(history: Path | None) -> float | None:
    """The energy gap of a run's last epoch; None where the prior has no energy, or there is no history to be read."""
    try:
        gaps = read_history(history).terms.get("energy_gap") if history else None
    except Unreadable:
        return None
    return gaps[-1] if gaps and not math.isnan(gaps[-1]) else None


def warning(gaps: Iterable[float | None], key: str) -> str:
    """What is wrong with the chains of one prior, by its energy gap in each run, and what helps; empty where nothing.

    Args:
        key: where the prior's settings are: "prior", or "priors.energy" of one that was fitted.
    """
    bad = sorted(gap for gap in gaps if gap is not None and abs(gap) > HEALTHY)  # a NaN is not
    if not bad:
        return ""
    values = f"energy gap {', '.join(f'{gap:.1f}' for gap in bad)}"
    if bad[0] < UNREACHED:
        return (
            f"{values} (healthy: within ±{HEALTHY:g}; below {UNREACHED:g} chains do not reach the energy's modes): "
            f"learn from persistent chains ({key}.buffer, {key}.activation=silu), or lower {key}.step_size or "
            f"{key}.lr, or raise {key}.noise"
        )
    strained = f"{STRAINED}: {values} (healthy: within ±{HEALTHY:g})"
    if bad[0] < 0:
        return (
            f"{strained}: a lower {key}.step_size or {key}.lr, or a {key}.noise of at least 0.7 {key}.step_size, would "
            "keep the chains with the energy"
        )
    return (
        f"{strained}: chains are where the energy is lower than at the posterior, a lower {key}.lr would let it follow"
    )
