"""Do prior samples look like real items (precision, density), and are real items all among them (recall, coverage)?

The features are those of the classifiers that measure coherence, as in `evaluators.frechet`, so the numbers compare
with none of an Inception or VGG network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, mean, needs_labels
from evaluators.context import Context
from evaluators.neighbours import distances, radii
from methods.base import require

MANIFOLD_K, DENSITY_K = 3, 5  # neighbours of precision and recall, and of density and coverage
CLOSED = 1 + 1e-9  # factor on radii: rounding leaves no point outside a ball on whose surface it lies


@dataclass(frozen=True)
class CoverageSettings:
    samples: int = 2500  # most items of each set; time grows with its square

    def __post_init__(self) -> None:
        require(samples=(self.samples, self.samples > DENSITY_K, f"> {DENSITY_K}"))


@dataclass(frozen=True)
class Overlap:
    """How a set of samples lies to a reference set; defined in `overlap`."""

    precision: float
    recall: float
    density: float
    coverage: float


class Coverage(Evaluator):
    """Precision and recall, density and coverage of prior samples in the classifiers' features."""

    default = True
    depends_on = frozenset({"prior", "decoder", "posterior"})
    Settings = CoverageSettings

    def applies(self, context: Context) -> str | None:
        if reason := needs_labels(context):
            return reason
        n = min(context.samples, context.tuples)
        return None if n > DENSITY_K else f"{n} samples are too few for their {DENSITY_K} nearest neighbours"

    @torch.no_grad()
    def __call__(self, context: Context, settings: CoverageSettings) -> Measures:
        """`precision`, `recall`, `density` and `coverage` (see `overlap`), each the mean over modalities, three times:

        without a suffix, of prior samples against real held-out items; `_aggregate`, of the aggregate posterior (z
        encoded from held-out tuples) against real items, which is what a prior gives that fits it perfectly, no sample
        compared with the item of its own tuple, which would make it a reconstruction; and
        `_to_aggregate`, of prior samples against those of the aggregate posterior, which is the prior's own part in it.

        Compared sets are of one size, because the measures depend on it: `samples`, or what there is. No two real items
        show the same thing (`Context.distinct`), or balls about them would be as small as one digit's crops are alike.
        """
        n = min(settings.samples, context.samples, context.tuples)
        distinct = context.distinct()
        n_real = min(n, *map(len, distinct.values()))
        context.predict_all(("prior", "aggregate", "real"))
        found: dict[str, dict[str, Overlap]] = {"": {}, "_aggregate": {}, "_to_aggregate": {}}
        for name, positions in distinct.items():
            prior, aggregate, real = (context.predictions(s).features[name] for s in ("prior", "aggregate", "real"))
            priors, aggregates = _Set.of(prior[:n]), _Set.of(aggregate[:n])
            found["_to_aggregate"][name] = _overlap(aggregates, priors)
            if n_real > DENSITY_K:
                rows = positions[:n_real].to(real.device)
                if n_real < n or rows[-1] >= n:  # else they are the first n, whose radii are known
                    priors, aggregates = _Set.of(prior[:n_real]), _Set.of(aggregate[rows])
                reference = _Set.of(real[rows])
                found[""][name] = _overlap(reference, priors)
                found["_aggregate"][name] = _overlap(reference, aggregates, paired=True)
        sets = {
            "": ("prior to real", n_real),
            "_aggregate": ("aggregate to real", n_real),
            "_to_aggregate": ("prior to aggregate", n),
        }
        few = f"{n_real} real items that differ are too few for their {DENSITY_K} nearest neighbours"
        return {
            f"{measure}{suffix}": _measure(measure, by_modality, *sets[suffix]) if by_modality else few
            for suffix, by_modality in found.items()
            for measure in ("precision", "recall", "density", "coverage")
        }


def overlap(reference: Tensor, samples: Tensor) -> Overlap:
    """Of samples s_j against a reference set r_i, features [N, F] each, N > 5.

    B_k(p) is the closed ball about a point p whose radius is the distance to its k-th nearest other point in its set.

    Kynkäänniemi et al. (2019), k = 3:
        precision   share of the s_j that lie in some B_k(r_i)
        recall      share of the r_i that lie in some B_k(s_j)
    Naeem et al. (2020), k = 5:
        density     1/k of the number of balls B_k(r_i) that an s_j lies in, mean over j
        coverage    share of the balls B_k(r_i) that hold some s_j

    Precision and recall are lenient, because an outlier's ball is large: samples that lie off the data can have a high
    recall. Density is 1 in expectation where both sets are of one distribution, and above 1 where samples crowd in
    dense regions of the reference, so more is not always better.

    Raises ValueError for sets of 5 points or fewer.
    """
    return _overlap(_Set.of(reference), _Set.of(samples))


@dataclass(frozen=True)
class _Set:
    """Features [N, F] with the radii [N] of their balls of 3 and 5 neighbours."""

    features: Tensor
    manifold: Tensor
    dense: Tensor

    @classmethod
    def of(cls, features: Tensor) -> _Set:
        return cls(features, *(CLOSED * radius for radius in radii(features, (MANIFOLD_K, DENSITY_K))))


def _overlap(reference: _Set, samples: _Set, paired: bool = False) -> Overlap:
    """As `overlap`; where `paired`, s_i and r_i are never compared."""
    n = len(samples.features)
    precise = torch.zeros(n, dtype=torch.bool, device=samples.features.device)
    recalled, covered, balls, start = 0, 0, 0, 0
    for part in distances(reference.features, samples.features):
        rows = slice(start, start + len(part))
        if paired:
            part.diagonal(start).fill_(math.inf)
        start = rows.stop
        precise |= (part <= reference.manifold[rows, None]).any(0)
        recalled += int((part <= samples.manifold).any(1).sum())
        inside = part <= reference.dense[rows, None]
        balls += int(inside.sum())
        covered += int(inside.any(1).sum())
    return Overlap(
        precision=precise.double().mean().item(),
        recall=recalled / start,
        density=balls / (DENSITY_K * n),
        coverage=covered / start,
    )


def expected_coverage(n: int) -> float:
    """Coverage, in expectation, of n samples from the distribution that the n reference points are of, whatever it is:
    1 − Π_{i=1..k} (n − i) / (2n − i) (Naeem et al. 2020), about 1 − 2⁻ᵏ."""
    return 1 - math.prod((n - i) / (2 * n - i) for i in range(1, DENSITY_K + 1))


def _measure(name: str, by_modality: Mapping[str, Overlap], sets: str, n: int) -> Measure:
    values = {modality: float(getattr(found, name)) for modality, found in by_modality.items()}
    k = MANIFOLD_K if name in ("precision", "recall") else DENSITY_K
    return Measure(
        value=mean(list(values.values())),
        protocol=f"{sets}, classifier features, k={k}, {n} of each",
        n=n,
        better=None if name == "density" else "higher",
        ceiling={"density": 1.0, "coverage": expected_coverage(n)}.get(name),
        details={"modalities": values, "k": k},
    )
