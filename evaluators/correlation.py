"""How well generated modalities go together as real ones do: canonical correlations of classifier features."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, Z, mean, needs_several
from evaluators.context import Context
from methods.base import require

RIDGE = 1e-3  # share of the mean variance that is added to each feature's: some are constant


@dataclass(frozen=True)
class CorrelationSettings:
    directions: int = 40  # k, where both modalities have as many features
    training: int = 5000  # most training tuples that the directions are fitted to

    def __post_init__(self) -> None:
        require(
            directions=(self.directions, self.directions >= 1, "≥ 1"),
            training=(self.training, self.training >= 2, "≥ 2"),
        )


@dataclass(frozen=True)
class Projections:
    """k canonical directions of two sets of features."""

    means: tuple[Tensor, Tensor]  # [F], [G]
    weights: tuple[Tensor, Tensor]  # [F, k], [G, k]

    def cosines(self, x: Tensor, y: Tensor) -> Tensor:
        """cos(Aᵀ(x_i − x̄), Bᵀ(y_i − ȳ)) of features [N, F] and [N, G]: [N]."""
        u, v = ((f.double() - mean) @ w for f, mean, w in zip((x, y), self.means, self.weights))
        return torch.cosine_similarity(u, v, dim=1)


class Correlation(Evaluator):
    """The score of canonical correlation of Shi et al. (2019, section 4.2) with features of our own classifiers."""

    depends_on = frozenset({"prior", "decoder", "posterior"})
    Settings = CorrelationSettings

    def applies(self, context: Context) -> str | None:
        return needs_several(context) or (None if len(context.train) > 1 else "two training tuples are needed")

    def __call__(self, context: Context, settings: CorrelationSettings) -> Measures:
        """`cca_classifier_features`: mean over pairs of modalities and samples of the prior of the cosine between both
        modalities' features, each projected to the k canonical directions of training tuples (`fit`). With other
        features than the paper's (ResNet-101 of images, FastText of sentences), so with values of their own.

        `cca_classifier_features_cross`: the same between a real held-out item x_s and x_t decoded from z ~ q(z | x_s),
        mean over ordered pairs s ≠ t.

        The ceiling is the score of real held-out tuples; the chance level that of the same tuples with the items of one
        modality of each pair in another order.
        """
        names = context.modalities
        training = _training_features(context, settings.training)
        pairs = {
            pair: fit(training[pair[0]], training[pair[1]], settings.directions) for pair in combinations(names, 2)
        }
        context.predict_all(["real", "prior", *[(name,) for name in names]])
        real, drawn = context.predictions("real").features, context.predictions("prior").features
        order = torch.randperm(context.tuples, generator=torch.Generator().manual_seed(0)).to(context.device)
        joint, together, apart, crossed = [], [], [], []
        for (a, b), found in pairs.items():
            joint.append(found.cosines(drawn[a], drawn[b]))
            together.append(found.cosines(real[a], real[b]))
            apart.append(found.cosines(real[a], real[b][order]))
            crossed.append(found.cosines(real[a], context.predictions((a,)).features[b]))
            crossed.append(found.cosines(context.predictions((b,)).features[a], real[b]))
        levels = {"chance": _mean(apart), "ceiling": _mean(together)}
        k = min(found.weights[0].shape[1] for found in pairs.values())
        protocol = f"{k} directions of {len(training[names[0]])} training tuples, classifier features"
        return {
            "cca_classifier_features": _measure(joint, f"prior, {protocol}", **levels),
            "cca_classifier_features_cross": _measure(crossed, f"pairs, {protocol}", **levels),
        }


def fit(x: Tensor, y: Tensor, directions: int) -> Projections:
    """The k canonical directions of features x [N, F] and y [N, G] with the highest correlations (Hotelling 1936).

    With covariances C, and `RIDGE` of its mean variance added to the diagonals of C_xx and C_yy:
    C_xx^(−½) C_xy C_yy^(−½) = U S Vᵀ, A = C_xx^(−½) U_k and B = C_yy^(−½) V_k. k is at most F, G and N − 1.
    """
    x, y = x.double(), y.double()
    means = x.mean(0), y.mean(0)
    x, y = x - means[0], y - means[1]
    white_x, white_y = _whitening(x), _whitening(y)
    u, _, vh = torch.linalg.svd(white_x @ (x.T @ y / len(x)) @ white_y, full_matrices=False)
    k = min(directions, x.shape[1], y.shape[1], len(x) - 1)
    return Projections(means, (white_x @ u[:, :k], white_y @ vh[:k].T))


def _whitening(x: Tensor) -> Tensor:
    """(C + λ I)^(−½) of centred features [N, F]."""
    covariance = x.T @ x / len(x)
    ridge = RIDGE * covariance.diagonal().mean().clamp_min(torch.finfo(x.dtype).tiny)
    values, vectors = torch.linalg.eigh(covariance)
    scaled = vectors * (values.clamp_min(0) + ridge).rsqrt()
    root: Tensor = scaled @ vectors.T
    return root


def _training_features(context: Context, most: int) -> dict[str, Tensor]:
    """Of training tuples, the same ones each time: {modality: [N, F]}."""
    order = torch.randperm(len(context.train), generator=torch.Generator().manual_seed(0))[:most].to(context.device)
    parts = [context.classifiers.features(context.train.batch(rows)) for rows in order.split(context.batch_size)]
    return {name: torch.cat([part[name] for part in parts]) for name in context.modalities}


def _mean(cosines: list[Tensor]) -> float:
    return mean([found.mean().item() for found in cosines])


def _measure(cosines: list[Tensor], protocol: str, chance: float, ceiling: float) -> Measure:
    """Of cosines [n] for each pair; what one sample contributes to several pairs counts once."""
    each = torch.stack(cosines).mean(0)
    value, error = each.mean().item(), each.std(correction=0).item() / len(each) ** 0.5
    return Measure(
        value=value,
        protocol=protocol,
        n=len(each),
        better="higher",
        low=max(-1.0, value - Z * error),
        high=min(1.0, value + Z * error),
        interval="95 % normal over samples, one model",
        chance=chance,
        ceiling=ceiling,
    )
