"""Whether the Langevin chains of an energy prior reach the modes that its energy has.

`energy_gap` is E f(z) of the posterior less E f(z) of the chains. At equilibrium it is small. It falls where the energy
has dug modes that chains from p0 do not reach in their few steps: they stay where the energy is high, and each further
update digs deeper. An energy with persistent chains waits for them instead, so that its gap says little of how far they
have fallen behind: `energy_waits`, the share of its updates that it waited, does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.reporting.statistics import known
from bench.runs.history import read_history
from bench.runs.reading import Unreadable

# Measured with energies on the frozen latents of EBM base (bundled PolyMNIST), where z of training tuples has a joint
# coherence of 0.90: chains with a gap of −1.9 reach 0.89, and those with −12 reach 0.73.
HEALTHY = 2.0  # |gap| up to which chains and posterior agree
UNREACHED = -5.0  # gap below which the chains do not reach the energy's modes
# Energies on clusters whose chains do not arrive wait in nine of ten updates.
WAITED, STALLED = 0.05, 0.5  # shares of its updates that an energy may wait, and beyond which it has learned little
STRAINED = "strained"  # the first word of a warning of what lies between


class Chains(NamedTuple):
    """Of one energy prior, at its end: `gap` as above, and the share of updates that the energy waited. None where the
    prior has no energy, or it is not known."""

    gap: float | None
    waits: float | None

    @property
    def state(self) -> str:
        """In a word or two; empty where it is not known."""
        if self.gap is None or math.isnan(self.gap):
            return ""
        if self.gap < UNREACHED or (self.waits or 0) > STALLED:
            return "modes not reached"
        return "healthy" if abs(self.gap) <= HEALTHY and (self.waits or 0) <= WAITED else STRAINED


def chains_of(row: Mapping[Any, Any]) -> Chains:
    """Of a row that has both as columns."""
    return Chains(known(row["energy_gap"]), known(row["energy_waits"]))


def final_chains(history: Path | None) -> Chains:
    """Those of a run's last epoch, or of its refinement."""
    try:
        terms = read_history(history).terms if history else {}
    except Unreadable:
        terms = {}
    last = [terms[name][-1] if terms.get(name) else math.nan for name in ("energy_gap", "energy_waits")]
    return Chains(*(None if math.isnan(value) else value for value in last))


def warning(chains: Iterable[Chains], key: str) -> str:
    """What is wrong with the chains of one prior, in each run, and what helps; empty where nothing.

    Args:
        key: where the prior's settings are: "prior", or "priors.energy" of one that was fitted.
    """
    ill = [c for c in chains if c.state not in ("", "healthy")]
    gaps = sorted(c.gap for c in ill if c.gap is not None)
    if not gaps:
        return ""
    waits = max(c.waits or 0 for c in ill)
    values = f"energy gap {', '.join(f'{gap:.1f}' for gap in gaps)} (healthy: within ±{HEALTHY:g}"
    if gaps[0] < UNREACHED:
        return (
            f"{values}; below {UNREACHED:g} chains do not reach the energy's modes): learn from persistent chains "
            f"({key}.buffer, {key}.activation=silu), or lower {key}.step_size or {key}.lr, or raise {key}.noise"
        )
    strained = "" if waits > STALLED else f"{STRAINED}: "
    if waits > WAITED:
        values += f"), and it waited for its chains in {waits:.0%} of its updates (healthy: at most {WAITED:.0%}"
    if gaps[0] < 0:
        return (
            f"{strained}{values}): a lower {key}.step_size or {key}.lr, or a {key}.noise of at least 0.7 "
            f"{key}.step_size, would keep the chains with the energy"
        )
    return (
        f"{strained}{values}): chains are where the energy is lower than at the posterior, a lower {key}.lr would let "
        "it follow"
    )
