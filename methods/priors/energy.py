"""Energy-based priors p_α(z) ∝ exp(−f_α(z)) p0(z): Yuan et al., "Learning Multimodal Latent Generative Models with
Energy-Based Prior"; network and chains follow Pang et al. 2020, "Learning Latent Space Energy-Based Prior Model"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Streams, Terms, ramp, require
from methods.networks.latent import energy_network, frozen, input_gradient
from methods.objectives import effective_sample_size
from methods.priors.base import FitConfig, PriorConfig
from methods.priors.factorised import FactorisedPrior
from methods.priors.langevin import langevin

CHUNK = 2**15  # samples of p0 whose energies are computed at once, of the many that log Z takes


@dataclass(frozen=True)
class EnergyPriorConfig(PriorConfig):
    """p_α(z) ∝ exp(−f_α(z)) p0(z); the poster prints p0 = N(0, I)."""

    name: Literal["energy"] = "energy"
    base: Literal["laplace", "normal"] = "normal"  # p0
    scale: float = 1.0  # of p0
    width: int = 200
    activation: Literal["leaky_relu", "gelu", "silu"] = "leaky_relu"
    steps: int = 60
    step_size: float = 0.4
    lr: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    lr_decay: float = 0.998  # per epoch
    clip: float = 100.0  # on the norm of the energy's gradient
    penalty: float = 0.0  # weight of E f(z⁺)² + E f(z⁻)², which keeps energies near 0
    start: float = 0.0  # share of the training after which the energy is learned
    warmup: float = 0.0  # share of the training over which f's weight in the ELBO grows to 1
    chains: int = 128

    def __post_init__(self) -> None:
        check_energy(self)

    @property
    def normal_base(self) -> float | None:
        return self.scale if self.base == "normal" else None


@dataclass(frozen=True)
class EnergyFitConfig(FitConfig):
    """The same, learned on frozen posteriors in standardised coordinates ("two-stage"), with Adam under a cosine."""

    base: Literal["laplace", "normal"] = "normal"
    scale: float = 1.0
    width: int = 200
    activation: Literal["leaky_relu", "gelu", "silu"] = "leaky_relu"
    steps: int = 40
    step_size: float = 0.4
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    clip: float = 100.0
    penalty: float = 0.05
    chains: int = 128
    iterations: int = 1500
    batch_size: int = 128

    # Parts of the training that a fit does not have: the energy is there from the first step on.
    start: ClassVar[float] = 0.0
    warmup: ClassVar[float] = 0.0
    lr_decay: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        check_energy(self)
        require(
            iterations=(self.iterations, self.iterations >= 1, "≥ 1"),
            batch_size=(self.batch_size, self.batch_size >= 2, "≥ 2"),
        )


def check_energy(c: EnergyPriorConfig | EnergyFitConfig) -> None:
    """Raises ValueError for a setting out of range."""
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
        start=(c.start, 0 <= c.start <= 1, "in [0, 1]"),
        warmup=(c.warmup, 0 <= c.warmup <= 1, "in [0, 1]"),
        chains=(c.chains, c.chains >= 1, "≥ 1"),
    )


class EnergyPrior(FactorisedPrior):
    """p_α(z) = exp(−f_α(z)) p0(z) / Z(α), learned by maximum likelihood with short-run Langevin negatives.

    Yuan et al., "Learning Multimodal Latent Generative Models with Energy-Based Prior"; network and chains follow
    Pang et al. 2020, "Learning Latent Space Energy-Based Prior Model".
    """

    Config: ClassVar[type[PriorConfig] | None] = EnergyPriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = EnergyFitConfig

    def __init__(self, config: EnergyPriorConfig | EnergyFitConfig, dim: int) -> None:
        super().__init__(config.base, config.scale, dim)
        self.config = config
        self.network = energy_network(dim, config.width, config.activation)
        self.chain_steps = config.steps
        self.settled = config.start + config.warmup

    def energy(self, z: Tensor) -> Tensor:
        """f_α(z), [..., D] -> [...]: low where z is likely."""
        energy: Tensor = self.network(z)
        return energy.squeeze(-1)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """log p0(z) − f_α(z), i.e. log p_α(z) + log Z(α). Its gradient reaches z and never α."""
        weight = ramp(progress, self.config.start, self.config.warmup)
        if weight == 0.0:
            return super().log_prob(z)
        with frozen(self.network):
            return super().log_prob(z) - weight * self.energy(z)

    def score(self, z: Tensor) -> Tensor:
        """∂/∂z log p_α(z) at the end of the training, [N, D] -> [N, D]: a constant."""
        weight = ramp(1.0, self.config.start, self.config.warmup)
        return self.base().score(z) - weight * input_gradient(self.network, z)

    def sample(self, n: int, streams: Streams) -> Tensor:
        """z⁻ ~ p_α: fresh chains from p0. The p0 draw and the chains share one stream, kept apart from all else."""
        (z,) = self.chains(n, [self.config.steps], streams)
        return z

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        return FactorisedPrior.sample(self, n, streams)

    def chains(self, n: int, steps: Sequence[int], streams: Streams) -> Iterator[Tensor]:
        """As they stand after 0 steps, chains are samples of p0."""
        z, done = self.base().rsample(streams.langevin, (n,)), 0
        for step in steps:
            z = langevin(self.score, z, step - done, self.config.step_size, streams.langevin)
            done = step
            yield z

    @torch.no_grad()
    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """log Z(α) = log E_{p0} exp(−f_α(z)), by the mean over n samples of p0, and the effective size of that sample.

        The estimate is too low on average, the more so the smaller the effective sample size is; and a sample that
        misses a deep mode of the energy shows neither in one nor in the other.
        """
        weight = ramp(1.0, self.config.start, self.config.warmup)
        sizes = [min(CHUNK, n - start) for start in range(0, n, CHUNK)]
        log_w = torch.cat([-weight * self.energy(self.sample_base(size, streams)).double() for size in sizes])
        return torch.logsumexp(log_w, 0).item() - math.log(n), effective_sample_size(log_w).item()

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        """E_q f_α(z⁺) − E_{p_α} f_α(z⁻), to be minimised; both phases are constants.

        ∂/∂α log p_α(z) = −∂f_α(z)/∂α + E_{p_α} ∂f_α/∂α, so this is minus the log-likelihood's gradient. (The poster
        prints the same expression for L, which it maximises: a slip in the sign.)
        """
        if progress < self.config.start:
            return z.new_zeros(()), {}
        positive = z.detach()
        start, negative = self.chains(self.config.chains, [0, self.config.steps], streams)
        f_pos, f_neg = self.energy(positive), self.energy(negative)
        loss = f_pos.mean() - f_neg.mean()
        if self.config.penalty:
            loss = loss + self.config.penalty * (f_pos.square().mean() + f_neg.square().mean())
        terms = {
            "energy_posterior": f_pos.mean(),
            "energy_prior": f_neg.mean(),
            "energy_gap": f_pos.mean() - f_neg.mean(),
            "z_abs_posterior": positive.abs().mean(),
            "z_abs_prior": negative.abs().mean(),
            "z_std_posterior": positive.std(0).mean(),
            "z_std_prior": negative.std(0).mean(),
            "chain_displacement": (negative - start).norm(dim=-1).mean(),
        }
        return loss, {name: term.detach() for name, term in terms.items()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        c = self.config
        return [
            {
                "params": list(self.network.parameters()),
                "name": "energy",
                "lr": c.lr,
                "betas": c.betas,
                "lr_decay": c.lr_decay,
                "clip": c.clip,
            }
        ]

    @classmethod
    def fit(cls, u: Tensor, config: EnergyFitConfig, streams: Streams) -> EnergyPrior:
        """The energy learned on frozen posteriors ("step B" alone), with p0 = N(0, I) of u."""
        prior = cls(config, u.shape[1]).to(u.device)
        (group,) = prior.parameter_groups()
        optimiser = torch.optim.Adam(group["params"], lr=group["lr"], betas=group["betas"])
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.iterations)
        for _ in range(config.iterations):
            rows = torch.randint(len(u), (config.batch_size,), generator=streams.noise, device=u.device)
            loss, terms = prior.loss(u[rows], streams, 1.0)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(group["params"], group["clip"])
            optimiser.step()
            schedule.step()
        prior.record = {"energy_gap": terms["energy_gap"].item()}
        return prior
