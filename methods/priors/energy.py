"""Energy-based priors p_α(z) ∝ exp(−f_α(z)) p0(z): Yuan et al., "Learning Multimodal Latent Generative Models with
Energy-Based Prior"; network and chains follow Pang et al. 2020, "Learning Latent Space Energy-Based Prior Model"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.base import Streams, Terms, ramp
from methods.networks.latent import energy_network, frozen, input_gradient
from methods.objectives import effective_sample_size
from methods.priors.base import FitConfig, PriorConfig
from methods.priors.energy_settings import EnergyFitConfig, EnergyPriorConfig
from methods.priors.factorised import FactorisedPrior
from methods.priors.langevin import PersistentChains, langevin

CHUNK = 2**15  # samples of p0 whose energies are computed at once, of the many that log Z takes
MOMENTS = 0.01  # weight of the newest batch in the running moments of the posterior, and in the running energy gap
HEALTHY = 2.0  # energy gap beyond which an energy waits for its persistent chains
AVERAGE = 0.005  # weight of the newest parameters in their average, of an energy that learns alone


class EnergyPrior(FactorisedPrior):
    """An energy f, learned by maximum likelihood with Langevin negatives: p_α(z) = exp(−f_α(u)) p0(u) |∂u/∂z| / Z(α).

    u is z itself, or with `standardise` (z − mean) / std under running moments of the posterior, so that steps and
    wells have one size whatever scale the encoders choose. Chains start at p0 (short-run), or persist from update to
    update (Tieleman 2008; Du and Mordatch 2019): then they reach what the energy has dug since.
    """

    Config: ClassVar[type[PriorConfig] | None] = EnergyPriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = EnergyFitConfig

    def __init__(self, config: EnergyPriorConfig | EnergyFitConfig, dim: int) -> None:
        super().__init__(config.base, config.scale, dim)
        self.config = config
        self.network = energy_network(dim, config.width, config.activation)
        self.chain_steps, self.refinement = config.steps, config.refinement
        self.settled = config.start + config.warmup
        if config.standardise:
            self.mean: Tensor
            self.std: Tensor
            self.batches: Tensor
            self.register_buffer("mean", torch.zeros(dim))
            self.register_buffer("std", torch.ones(dim))
            self.register_buffer("batches", torch.zeros(()))
        self.persistent = PersistentChains(config.buffer, dim, config.fresh) if config.buffer else None
        if config.buffer:
            self.gap: Tensor
            self.register_buffer("gap", torch.zeros(()))

    def inwards(self, z: Tensor) -> Tensor:
        """z -> u, each [..., D]."""
        # Copies: the moments move before the gradients are computed.
        return (z - self.mean.clone()) / self.std.clone() if self.config.standardise else z

    def outwards(self, u: Tensor) -> Tensor:
        """u -> z, each [..., D]."""
        return self.mean + self.std * u if self.config.standardise else u

    def energy(self, z: Tensor) -> Tensor:
        """f_α(u), z [..., D] -> [...]: low where z is likely."""
        energy: Tensor = self.network(self.inwards(z))
        return energy.squeeze(-1)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        """log p0(u) + log |∂u/∂z| − f_α(u), i.e. log p_α(z) + log Z(α). Its gradient reaches z and never α."""
        weight = ramp(progress, self.config.start, self.config.warmup)
        log_p0 = self.log_base(self.inwards(z))
        if self.config.standardise:
            log_p0 = log_p0 - self.std.log().sum()
        if weight == 0.0:
            return log_p0
        with frozen(self.network):
            return log_p0 - weight * self.energy(z)

    def score(self, u: Tensor) -> Tensor:
        """∂/∂u log p_α at the end of the training, [N, D] -> [N, D]: a constant."""
        weight = ramp(1.0, self.config.start, self.config.warmup)
        return self.base_score(u) - weight * input_gradient(self.network, u)

    def sample(self, n: int, streams: Streams) -> Tensor:
        """z⁻ ~ p_α: fresh chains from p0. The p0 draw and the chains share one stream, kept apart from all else."""
        (z,) = self.chains(n, [self.config.steps], streams)
        return z

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        return self.outwards(self.draw_base(n, streams.noise))

    def chains(self, n: int, steps: Sequence[int], streams: Streams) -> Iterator[Tensor]:
        """As they stand after 0 steps, chains are samples of p0."""
        u, done = self.start(n, streams), 0
        for step in steps:
            u = langevin(self.score, u, step - done, self.config.step_size, streams.langevin)
            done = step
            yield self.outwards(u)

    def start(self, n: int, streams: Streams) -> Tensor:
        """u ~ p0, where chains start: [n, D]."""
        return self.draw_base(n, streams.langevin)

    def draw_base(self, n: int, generator: torch.Generator | None) -> Tensor:
        """u ~ p0: [n, D]."""
        return self.base().rsample(generator, (n,))

    def log_base(self, u: Tensor) -> Tensor:
        """log p0(u): [..., D] -> [...]."""
        return self.base().log_prob(u).sum(-1)

    def base_score(self, u: Tensor) -> Tensor:
        """∂/∂u log p0(u): [N, D] -> [N, D], a constant."""
        return self.base().score(u)

    @torch.no_grad()
    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """log Z(α) = log E_{p0} exp(−f_α), by the mean over n samples of p0, and the effective size of that sample.

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
        prints the same expression for L, which it maximises: a slip in the sign.) In training it also moves the
        moments of u, and the persistent chains.
        """
        z = z.detach()
        if self.training and self.config.standardise:
            self.follow(z)
        if progress < self.config.start:
            return z.new_zeros(()), {}
        return self.contrast(self.inwards(z), streams)

    def contrast(self, positive: Tensor, streams: Streams) -> tuple[Tensor, Terms]:
        """`loss` of constant u⁺ [N, D] against new negatives u⁻ [chains, D]."""
        c = self.config
        if c.noise:
            eps = torch.randn(positive.shape, generator=streams.langevin, device=positive.device)
            positive = positive + c.noise * eps
        start = self.start(c.chains, streams)
        if self.persistent is not None and self.training:
            start = self.persistent.take(start, streams.langevin)
            negative = langevin(self.score, start, c.moves, c.step_size, streams.langevin)
            self.persistent.put(negative)
        else:
            negative = langevin(self.score, start, c.steps, c.step_size, streams.langevin)
        f_pos, f_neg = self.network(positive).squeeze(-1), self.network(negative).squeeze(-1)
        loss = f_pos.mean() - f_neg.mean()
        waits = loss.new_zeros(())
        if self.persistent is not None and self.training:
            # Far ahead of its chains an energy makes them diverge, and nothing opposes it any more: it waits for them.
            self.gap.lerp_(loss.detach(), MOMENTS)
            waits = (self.gap <= -HEALTHY).to(loss.dtype)
            loss = loss * (1 - waits)
        if c.penalty:
            loss = loss + c.penalty * (f_pos.square().mean() + f_neg.square().mean())
        terms = {
            "energy_posterior": f_pos.mean(),
            "energy_prior": f_neg.mean(),
            "energy_gap": f_pos.mean() - f_neg.mean(),
            "energy_waits": waits,
            "z_abs_posterior": positive.abs().mean(),
            "z_abs_prior": negative.abs().mean(),
            "z_std_posterior": positive.std(0).mean(),
            "z_std_prior": negative.std(0).mean(),
            "chain_displacement": (negative - start).norm(dim=-1).mean(),
        }
        return loss, {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def follow(self, z: Tensor) -> None:
        """Moves mean and std towards those of posterior samples z [N, D]."""
        self.batches += 1
        rate = (1 / self.batches).clamp_min(MOMENTS)
        self.mean.lerp_(z.mean(0), rate)
        variance = torch.lerp(self.std.square(), (z - self.mean).square().mean(0), rate)
        self.std.copy_(variance.sqrt().clamp_min(1e-6))

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
        prior.record = prior.learn(u, config.iterations, config.batch_size, streams)
        return prior

    def refine(self, z: Tensor, streams: Streams) -> dict[str, float]:
        """The energy learns alone on z [N, D] of the trained model's aggregate posterior. What it says of its end."""
        if self.config.standardise:
            self.mean.copy_(z.mean(0))
            self.std.copy_(z.std(0).clamp_min(1e-6))
        return self.learn(self.inwards(z), self.refinement, self.config.chains, streams)

    def learn(self, u: Tensor, updates: int, batch_size: int, streams: Streams) -> dict[str, float]:
        """Adam under a cosine on random rows of constant u [N, D]; the parameters become their running average."""
        (group,) = self.parameter_groups()
        parameters = group["params"]
        optimiser = torch.optim.Adam(parameters, lr=group["lr"], betas=group["betas"], fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
        averages = [p.detach().clone() for p in parameters]
        gap, waits = torch.zeros((), device=u.device), torch.zeros((), device=u.device)
        for step in range(updates):
            rows = torch.randint(len(u), (batch_size,), generator=streams.noise, device=u.device)
            loss, terms = self.contrast(u[rows], streams)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, group["clip"])
            optimiser.step()
            schedule.step()
            # More in the first updates, or the initial parameters would count for long.
            rate = max(AVERAGE, 9 / (10 + step))
            torch._foreach_lerp_(averages, [p.detach() for p in parameters], rate)
            gap = torch.lerp(gap, terms["energy_gap"], max(0.01, 1 / (1 + step)))
            waits += terms["energy_waits"] / updates
        with torch.no_grad():
            for p, average in zip(parameters, averages, strict=True):
                p.copy_(average)
        return {"energy_gap": gap.item(), "energy_waits": waits.item()}
