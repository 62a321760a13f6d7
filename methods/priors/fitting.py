"""Priors of the shared latent that are fitted to a trained model's aggregate posterior, encoders and decoders frozen.

Each is fitted to samples z [N, D] of q(z) = E_X q(z | X) over the training split, standardised per dimension, and then
stands where the model's own prior stood: `sample`, `sample_base`, `log_prob` (see `methods.base.Prior`).
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from methods.base import Prior, Streams, Terms
from methods.distributions import Normal
from methods.priors import EnergyPrior, EnergyPriorConfig


class FittedPrior(nn.Module, ABC):
    """A density of standardised latents u = (z − mean) / std, moved back to z.

    Args:
        z: samples of the aggregate posterior, [N, D].
        own: the model's own prior, whose base p0 stays the floor that fitted priors are compared with.
    """

    settings: ClassVar[Mapping[str, Any]]  # of the fit
    fitted: dict[str, Any]  # the settings and what came of them, for the record

    def __init__(self, z: Tensor, own: Prior, streams: Streams) -> None:
        super().__init__()
        self.own = cast(Any, own)
        self.mean, self.std = z.mean(0), z.std(0).clamp_min(1e-6)
        # Networks take their initial weights from torch's global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=streams.noise, device=z.device)))
            self.fit((z - self.mean) / self.std, streams)

    @abstractmethod
    def fit(self, u: Tensor, streams: Streams) -> None:
        """Learns the density of u [N, D]."""

    @abstractmethod
    def log_prob_u(self, u: Tensor) -> Tensor:
        """log density of u [N, D], up to a constant: [N]."""

    @abstractmethod
    def sample_u(self, n: int, streams: Streams) -> Tensor:
        """[n, D]."""

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        return self.log_prob_u((z - self.mean) / self.std) - self.std.log().sum()

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.mean + self.std * self.sample_u(n, streams)

    def sample_base(self, n: int, streams: Streams) -> Tensor:
        base: Tensor = self.own.sample_base(n, streams)
        return base

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        """Densities are normalised, but for an energy's."""
        return 0.0, math.inf

    def loss(self, z: Tensor, streams: Streams, progress: float) -> tuple[Tensor, Terms]:
        raise RuntimeError("a fitted prior belongs to a trained model: it is not trained with it")

    def parameter_groups(self) -> list[dict[str, Any]]:
        return []


class MixturePrior(FittedPrior):
    """Gaussian mixture by expectation-maximisation: 10 full-covariance components, the best of 3 starts."""

    settings: ClassVar[Mapping[str, Any]] = {
        "components": 10,
        "n_init": 3,
        "max_iter": 500,
        "tol": 1e-3,
        "reg_covar": 1e-6,
    }

    def fit(self, u: Tensor, streams: Streams) -> None:
        s = self.settings
        # A full covariance of hundreds of dimensions has more entries than there are samples.
        covariance = "full" if u.shape[1] <= 128 else "diag"
        seed = int(torch.randint(2**31, (), generator=streams.noise, device=u.device))
        mixture = GaussianMixture(
            s["components"],
            covariance_type=covariance,
            n_init=s["n_init"],
            max_iter=s["max_iter"],
            tol=s["tol"],
            reg_covar=s["reg_covar"],
            random_state=seed,
        ).fit(u.double().cpu().numpy())
        self.fitted = {**s, "covariance": covariance, "converged": bool(mixture.converged_)}
        self.weights, self.means, variances = (
            torch.as_tensor(x, device=u.device, dtype=torch.float32)
            for x in (mixture.weights_, mixture.means_, mixture.covariances_)
        )
        full = variances if covariance == "full" else torch.diag_embed(variances)
        self.cholesky = torch.linalg.cholesky(full)  # [C, D, D]

    def log_prob_u(self, u: Tensor) -> Tensor:
        shift = (u[:, None] - self.means).transpose(0, 1).transpose(1, 2)  # [C, D, N]
        whitened = torch.linalg.solve_triangular(self.cholesky, shift, upper=False)
        log_det = self.cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
        log_n = -0.5 * whitened.square().sum(1) - log_det[:, None] - 0.5 * u.shape[1] * math.log(2 * math.pi)
        return torch.logsumexp(self.weights.log()[:, None] + log_n, 0)

    def sample_u(self, n: int, streams: Streams) -> Tensor:
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=streams.noise)
        eps = torch.randn(n, len(self.means[0]), generator=streams.noise, device=self.means.device)
        return self.means[chosen] + torch.einsum("nij,nj->ni", self.cholesky[chosen], eps)


class WideMixturePrior(MixturePrior):
    """The same with 50 components: ten are as many as PolyMNIST has classes, and a gain should not hang on that."""

    settings: ClassVar[Mapping[str, Any]] = {**MixturePrior.settings, "components": 50, "n_init": 1}


class TwoStageEnergyPrior(FittedPrior):
    """The energy prior of `methods.priors`, learned on frozen posteriors ("step B" alone), with p0 = N(0, I) of u."""

    settings: ClassVar[Mapping[str, Any]] = {"iterations": 1500, "batch_size": 128}
    config = EnergyPriorConfig(width=200, steps=40, chains=128, lr=1e-3, penalty=0.05)

    def fit(self, u: Tensor, streams: Streams) -> None:
        self.fitted = {**self.settings, **vars(self.config)}
        self.prior = EnergyPrior(self.config, u.shape[1]).to(u.device)
        (group,) = self.prior.parameter_groups()
        optimiser = torch.optim.Adam(group["params"], lr=group["lr"], betas=group["betas"])
        iterations = self.settings["iterations"]
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
        for _ in range(iterations):
            rows = torch.randint(len(u), (self.settings["batch_size"],), generator=streams.noise, device=u.device)
            loss, _ = self.prior.loss(u[rows], streams, 1.0)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(group["params"], group["clip"])
            optimiser.step()
            schedule.step()

    def log_prob_u(self, u: Tensor) -> Tensor:
        return self.prior.log_prob(u)

    def log_partition(self, n: int, streams: Streams) -> tuple[float, float]:
        return self.prior.log_partition(n, streams)  # the change of variables from u to z leaves Z as it is

    def sample_u(self, n: int, streams: Streams) -> Tensor:
        return self.prior.sample(n, streams)


class Coupling(nn.Module):
    """Affine coupling (Dinh et al. 2017): the masked half of u sets scale and shift of the other half."""

    def __init__(self, mask: Tensor, width: int) -> None:
        super().__init__()
        dim = len(mask)
        self.mask = mask
        last = nn.Linear(width, 2 * dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), last)

    def parts(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.net(kept).chunk(2, -1)
        return (1 - self.mask) * torch.tanh(log_scale), (1 - self.mask) * shift

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Towards the base: (value, log |det|)."""
        log_scale, shift = self.parts(self.mask * u)
        return u * log_scale.exp() + shift, log_scale.sum(-1)

    def inverse(self, v: Tensor) -> Tensor:
        log_scale, shift = self.parts(self.mask * v)
        return (v - shift) * (-log_scale).exp()


class FlowPrior(FittedPrior):
    """RealNVP with alternating masks, by maximum likelihood; the epoch with the best held-out likelihood is kept."""

    settings: ClassVar[Mapping[str, Any]] = {
        "couplings": 8,
        "width": 256,
        "epochs": 30,
        "batch_size": 512,
        "lr": 1e-3,
        "held_out": 0.05,
    }

    def fit(self, u: Tensor, streams: Streams) -> None:
        s, dim = self.settings, u.shape[1]
        alternating = (torch.arange(dim, device=u.device) % 2).float()
        masks = [alternating if k % 2 else 1 - alternating for k in range(s["couplings"])]
        self.couplings = nn.ModuleList(Coupling(mask, s["width"]) for mask in masks).to(u.device)
        order = torch.randperm(len(u), generator=streams.noise, device=u.device)
        held_out, train = u[order[: int(s["held_out"] * len(u))]], u[order[int(s["held_out"] * len(u)) :]]
        optimiser = torch.optim.Adam(self.couplings.parameters(), lr=s["lr"])
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, s["epochs"])
        best, kept = -math.inf, copy.deepcopy(self.couplings.state_dict())
        for _ in range(s["epochs"]):
            shuffled = train[torch.randperm(len(train), generator=streams.noise, device=u.device)]
            for rows in shuffled.split(s["batch_size"]):
                loss = -self.log_prob_u(rows).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            schedule.step()
            with torch.no_grad():
                likelihood = self.log_prob_u(held_out).mean().item()
            if likelihood > best:
                best, kept = likelihood, copy.deepcopy(self.couplings.state_dict())
        self.couplings.load_state_dict(kept)
        self.fitted = {**s, "held_out_log_likelihood": best}

    def log_prob_u(self, u: Tensor) -> Tensor:
        log_det = torch.zeros(len(u), device=u.device)
        for coupling in self.couplings:
            u, change = coupling(u)
            log_det = log_det + change
        return Normal(torch.zeros_like(u), torch.ones_like(u)).log_prob(u).sum(-1) + log_det

    def sample_u(self, n: int, streams: Streams) -> Tensor:
        v = torch.randn(n, len(self.mean), generator=streams.noise, device=self.mean.device)
        with torch.no_grad():
            for coupling in reversed(list(self.couplings)):
                assert isinstance(coupling, Coupling)
                v = coupling.inverse(v)
        return v
