"""Settings of energy priors in their two roles, and what they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from methods.base import require
from methods.priors.base import FitConfig, PriorConfig


@dataclass(frozen=True)
class EnergyPriorConfig(PriorConfig):
    """p_α(z) ∝ exp(−f_α(z)) p0(z); the poster prints p0 = N(0, I), and starts every chain there."""

    name: Literal["energy"] = "energy"
    base: Literal["laplace", "normal"] = "normal"  # p0, where chains start
    scale: float = 1.0  # of p0: σ, or b of a Laplace
    standardise: bool = False  # f, p0 and the chains are of u = (z − mean) / std, running moments of the posterior
    width: int = 200  # hidden units of f's network
    activation: Literal["leaky_relu", "gelu", "silu"] = "leaky_relu"  # of f's network
    steps: int = 60  # of Langevin dynamics from p0 to a sample
    step_size: float = 0.4  # of Langevin dynamics
    lr: float = 1e-4  # learning rate of f
    betas: tuple[float, float] = (0.5, 0.999)  # of Adam, for f
    lr_decay: float = 0.998  # factor on the learning rate of f, per epoch
    clip: float = 100.0  # bound on the norm of f's gradient
    penalty: float = 0.0  # weight of E f(z⁺)² + E f(z⁻)², which keeps energies near 0
    noise: float = 0.0  # standard deviation of what is added to u of the posterior, a bound on how sharp wells become
    start: float = 0.0  # share of the training after which the energy is learned
    warmup: float = 0.0  # share of the training over which f's weight in the ELBO grows to 1
    chains: int = 128  # Langevin chains of an update
    buffer: int = 0  # chains that persist from update to update; 0: all start at p0
    fresh: float = 0.02  # share of persistent chains that start at p0 again
    moves: int = 8  # Langevin steps of persistent chains in an update
    refinement: int = 0  # updates of the energy alone after the training

    def __post_init__(self) -> None:
        check_energy(self)
        require(refinement=(self.refinement, self.refinement >= 0, "≥ 0"))

    @property
    def normal_base(self) -> float | None:
        # A p0 that moves with the posterior cannot be one of its experts: that stays the fixed one.
        return self.scale if self.base == "normal" else None


@dataclass(frozen=True)
class EnergyFitConfig(FitConfig):
    """The same, learned on frozen posteriors in standardised coordinates ("two-stage"), with Adam under a cosine."""

    base: Literal["laplace", "normal"] = "normal"  # p0, where chains start
    scale: float = 1.0  # of p0: σ, or b of a Laplace
    width: int = 256  # hidden units of f's network
    activation: Literal["leaky_relu", "gelu", "silu"] = "silu"  # of f's network
    steps: int = 200  # of Langevin dynamics from p0 to a sample
    step_size: float = 0.2  # of Langevin dynamics
    lr: float = 2e-3  # highest learning rate of f
    betas: tuple[float, float] = (0.0, 0.999)  # of Adam
    clip: float = 10.0  # bound on the norm of f's gradient
    penalty: float = 0.001  # weight of E f(z⁺)² + E f(z⁻)², which keeps energies near 0
    noise: float = 0.1  # standard deviation of what is added to the posterior's samples
    chains: int = 128  # Langevin chains of an update
    buffer: int = 5120  # chains that persist from update to update; 0: all start at p0
    fresh: float = 0.02  # share of persistent chains that start at p0 again
    moves: int = 8  # Langevin steps of persistent chains in an update
    iterations: int = 3000  # updates
    batch_size: int = 128  # posterior samples of an update

    # Parts of the training that a fit does not have: the energy is there from the first step on, and u is given.
    standardise: ClassVar[bool] = False
    start: ClassVar[float] = 0.0
    warmup: ClassVar[float] = 0.0
    lr_decay: ClassVar[float] = 1.0
    refinement: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_energy(self)
        require(
            iterations=(self.iterations, self.iterations >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 2, "≥ 2"),
        )


def check_energy(c: EnergyPriorConfig | EnergyFitConfig) -> None:
    """Raises ValueError for a setting out of range."""
    whole = c.buffer >= 0 and c.buffer % c.chains == 0 if c.chains >= 1 else False
    require(
        scale=(c.scale, c.scale > 0, "> 0"),
        width=(c.width, c.width >= 1, "≥ 1"),
        steps=(c.steps, c.steps >= 0, "≥ 0"),
        step_size=(c.step_size, c.step_size > 0, "> 0"),
        lr=(c.lr, c.lr >= 0, "≥ 0"),
        betas=(c.betas, all(0 <= beta < 1 for beta in c.betas), "two numbers in [0, 1)"),
        lr_decay=(c.lr_decay, 0 < c.lr_decay <= 1, "in (0, 1]"),
        clip=(c.clip, c.clip > 0, "> 0"),
        penalty=(c.penalty, c.penalty >= 0, "≥ 0"),
        noise=(c.noise, c.noise >= 0, "≥ 0"),
        start=(c.start, 0 <= c.start <= 1, "in [0, 1]"),
        warmup=(c.warmup, 0 <= c.warmup <= 1, "in [0, 1]"),
        chains=(c.chains, c.chains >= 1, "≥ 1"),
        buffer=(c.buffer, whole, f"0, or a multiple of chains={c.chains}, as many are moved in one update"),
        fresh=(c.fresh, 0 <= c.fresh <= 1, "in [0, 1]"),
        moves=(c.moves, c.moves >= 1, "≥ 1"),
    )
