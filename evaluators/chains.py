"""What Langevin dynamics do on their way from p0 to an energy prior, and beyond (the poster's "Markov transition")."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.base import Context, Measure, check_finite
from evaluators.coherence import agreement, coherence_measure
from methods.base import Latents
from methods.priors import EnergyPrior

PARTS, LONGER = 6, (2, 4, 8)  # snapshots within the T steps of the prior, and multiples of T after them


def chain_coherence(context: Context) -> dict[str, Measure]:
    """`joint_coherence_long`: joint coherence of the prior's chains after 8 times the steps that they are trained with.

    Where it differs from `joint_coherence`, what the model samples is not its energy's distribution but that of short
    chains. Joint coherence, and mean and standard deviation of f(z), at all snapshots are in the details. Private
    latents are drawn once for each chain. Empty for a prior that has no chains.

    Raises:
        FloatingPointError: decoded images are not finite, as where long chains leave every region that they know.
    """
    prior = context.method.prior
    if not isinstance(prior, EnergyPrior):
        return {}
    steps = snapshots(prior.config.steps)
    steps += [factor * prior.config.steps for factor in LONGER]
    labels, energies = _run(context, prior, steps)
    coherence = [agreement(predicted, context.classes)[0] for predicted in labels]
    details = {
        "steps": steps,
        "steps_trained": prior.config.steps,
        "joint_coherence": coherence,
        "energy": [f.mean().item() for f in energies],
        "energy_std": [f.std().item() for f in energies],
    }
    protocol = f"prior, {LONGER[-1]} times the steps"
    return {"joint_coherence_long": coherence_measure(context, coherence[-1], context.samples, protocol, **details)}


def snapshots(steps: int) -> list[int]:
    """Evenly spread numbers of steps from 0 to `steps`."""
    return sorted({round(part * steps / PARTS) for part in range(PARTS + 1)})


@torch.no_grad()
def _run(context: Context, prior: EnergyPrior, steps: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """For each number of steps, predicted labels [M, N] and energies f(z) [N]."""
    method, streams = context.method, context.streams("chains")
    labels: list[list[Tensor]] = [[] for _ in steps]
    energies: list[list[Tensor]] = [[] for _ in steps]
    for start in range(0, context.samples, context.batch_size):
        n = min(context.batch_size, context.samples - start)
        private = None
        for k, z in enumerate(prior.chains(n, steps, streams)):
            private = method.with_private(z, streams).w if private is None else private
            images = method.decode(Latents(z, private), context.modalities)
            check_finite(images)
            predicted = context.judge.classify(context.judge.features(images))
            labels[k].append(torch.stack(list(predicted.values())))
            energies[k].append(prior.f(z))
    return [torch.cat(parts, 1) for parts in labels], [torch.cat(parts) for parts in energies]
