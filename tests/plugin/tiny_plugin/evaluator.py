"""A measure that needs no labels: the mean norm of the model's prior samples."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.base import Evaluator, Measure, Measures
from evaluators.context import Context


@dataclass(frozen=True)
class LatentSizeSettings:
    power: float = 2.0


class LatentSize(Evaluator):
    """Mean norm of z ~ p(z)."""

    depends_on = frozenset({"prior"})
    Settings = LatentSizeSettings

    def __call__(self, context: Context, settings: LatentSizeSettings) -> Measures:
        z = context.method.sample_prior(context.samples, context.streams("latent size")).z
        size = z.norm(p=settings.power, dim=1).mean().item()
        return {"latent_size": Measure(size, f"p={settings.power:g}", context.samples)}
