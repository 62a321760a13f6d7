"""Mixtures of Gaussians as priors of the shared latent: learned with a model, as in CMVAE (Palumbo et al. 2024, "Deep
Generative Clustering with Multimodal Diffusion Variational Autoencoders"), or fitted by expectation-maximisation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.base import Streams, require
from methods.distributions import Normal
from methods.priors.base import FitConfig, Prior, PriorConfig

FULL = 128  # dimensions up to which covariances are full: beyond, they have more entries than there are samples


@dataclass(frozen=True)
class MixturePriorConfig(PriorConfig):
    """Learned by the ELBO's gradient, with the trainer's learning rate."""

    name: Literal["mixture"] = "mixture"
    components: int = 10  # how many Gaussians
    spread: float = 1.0  # standard deviation of the means at the start
    scale: float = 1.0  # of every component at the start

    def __post_init__(self) -> None:
        require(
            components=(self.components, self.components >= 1, "≥ 1"),
            spread=(self.spread, self.spread >= 0, "≥ 0"),
            scale=(self.scale, self.scale > 0, "> 0"),
        )


@dataclass(frozen=True)
class MixtureFitConfig(FitConfig):
    """Of scikit-learn's GaussianMixture."""

    components: int = 10  # how many Gaussians
    starts: int = 0  # of the fit, the best of which counts; 0: three, or one above 20 components
    max_iter: int = 500  # most iterations of expectation-maximisation
    tol: float = 1e-3  # gain in likelihood below which it ends
    reg_covar: float = 1e-6  # added to the variances

    def __post_init__(self) -> None:
        require(
            components=(self.components, self.components >= 1, "≥ 1"),
            starts=(self.starts, self.starts >= 0, "≥ 0"),
            max_iter=(self.max_iter, self.max_iter >= 1, "≥ 1"),
            tol=(self.tol, self.tol > 0, "> 0"),
            reg_covar=(self.reg_covar, self.reg_covar >= 0, "≥ 0"),
        )


class MixturePrior(Prior):
    """A mixture of Gaussians Σ_c π_c N(z; μ_c, Σ_c), of full covariances; diagonal above 128 dimensions."""

    FitConfig: ClassVar[type[FitConfig] | None] = MixtureFitConfig

    def __init__(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        """Of weights [C], means [C, D] and covariances [C, D, D]."""
        super().__init__()
        self.weights: Tensor
        self.means: Tensor
        self.cholesky: Tensor
        self.register_buffer("weights", weights)
        self.register_buffer("means", means)
        self.register_buffer("cholesky", torch.linalg.cholesky(covariances))

    @classmethod
    def fit(cls, u: Tensor, config: MixtureFitConfig, streams: Streams) -> MixturePrior:
        from sklearn.mixture import GaussianMixture  # noqa: PLC0415 (takes seconds, which settings do without)

        covariance = "full" if u.shape[1] <= FULL else "diag"
        seed = int(torch.randint(2**31, (), generator=streams.noise, device=u.device))
        mixture = GaussianMixture(
            config.components,
            covariance_type=covariance,
            n_init=config.starts or (3 if config.components <= 20 else 1),
            max_iter=config.max_iter,
            tol=config.tol,
            reg_covar=config.reg_covar,
            random_state=seed,
        ).fit(u.double().cpu().numpy())
        weights, means, variances = (
            torch.as_tensor(x, device=u.device, dtype=torch.float32)
            for x in (mixture.weights_, mixture.means_, mixture.covariances_)
        )
        prior = cls(weights, means, variances if covariance == "full" else torch.diag_embed(variances))
        prior.record = {"covariance": covariance, "converged": bool(mixture.converged_)}
        return prior

    def log_joint(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log π_c N(z; μ_c, Σ_c) [C, N] of z [N, D], and L_c⁻¹ (z − μ_c) [C, D, N] where Σ_c = L_c L_cᵀ."""
        shift = (z[:, None] - self.means).transpose(0, 1).transpose(1, 2)  # [C, D, N]
        whitened = torch.linalg.solve_triangular(self.cholesky, shift, upper=False)
        log_det = self.cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
        log_n = -0.5 * whitened.square().sum(1) - log_det[:, None] - 0.5 * z.shape[-1] * math.log(2 * math.pi)
        return self.weights.log()[:, None] + log_n, whitened

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        log_p: Tensor = torch.logsumexp(self.log_joint(z.flatten(0, -2))[0], 0).unflatten(0, z.shape[:-1])
        return log_p

    @torch.no_grad()
    def score(self, z: Tensor) -> Tensor:
        """∂/∂z log p(z) = −Σ_c p(c | z) Σ_c⁻¹ (z − μ_c): [N, D] -> [N, D], a constant."""
        log_joint, whitened = self.log_joint(z)
        pulls = torch.linalg.solve_triangular(self.cholesky.transpose(1, 2), whitened, upper=True)
        return -torch.einsum("cn,cdn->nd", log_joint.softmax(0), pulls)

    def draw(self, n: int, generator: torch.Generator | None) -> Tensor:
        """[n, D]."""
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        eps = torch.randn(n, len(self.means[0]), generator=generator, device=self.means.device)
        return self.means[chosen] + torch.einsum("nij,nj->ni", self.cholesky[chosen], eps)

    def sample(self, n: int, streams: Streams) -> Tensor:
        return self.draw(n, streams.noise)

    @property
    def size(self) -> int:
        components, dim = self.means.shape
        covariance = dim * (dim + 1) // 2 if dim <= FULL else dim
        return components * (1 + dim + covariance) - 1  # the weights sum to 1


class LearnedMixturePrior(Prior):
    """A mixture of Gaussians Σ_c π_c N(z; μ_c, diag s_c²), π by softmax and s by softplus of what is learned.

    CMVAE's prior, without its selection of clusters after the training. Its fitted role is `MixturePrior`.
    """

    Config: ClassVar[type[PriorConfig] | None] = MixturePriorConfig
    FitConfig: ClassVar[type[FitConfig] | None] = MixtureFitConfig

    def __init__(self, config: MixturePriorConfig, dim: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(config.components))
        self.means = nn.Parameter(config.spread * torch.randn(config.components, dim))
        # The inverse of softplus, log(exp(s) − 1), without an overflow.
        raw = config.scale + math.log(-math.expm1(-config.scale))
        self.raw_scales = nn.Parameter(torch.full((config.components, dim), raw))

    @classmethod
    def fit(cls, u: Tensor, config: MixtureFitConfig, streams: Streams) -> MixturePrior:
        return MixturePrior.fit(u, config, streams)

    def components(self) -> Normal:
        """With parameters [C, D]."""
        return Normal(self.means, functional.softplus(self.raw_scales) + 1e-6)

    def log_prob(self, z: Tensor, progress: float = 1.0) -> Tensor:
        log_n = self.components().log_prob(z[..., None, :]).sum(-1)  # [..., C]
        return torch.logsumexp(torch.log_softmax(self.logits, -1) + log_n, -1)

    @torch.no_grad()
    def sample(self, n: int, streams: Streams) -> Tensor:
        chosen = torch.multinomial(self.logits.softmax(-1), n, replacement=True, generator=streams.noise)
        components = self.components()
        return Normal(components.loc[chosen], components.scale[chosen]).rsample(streams.noise)

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters()), "name": "mixture"}]
