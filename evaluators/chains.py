"""What Langevin dynamics do on their way from p0 to an energy prior, and beyond (the poster's "Markov transition")."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measures, NoSettings, needs_several
from evaluators.coherence import coherence_measure, joint_agreement
from evaluators.context import Context
from methods.base import Latents

PARTS, LONGER = 6, (2, 4, 8)  # snapshots within the T steps of the prior, and multiples of T after them


class ChainCoherence(Evaluator):
    """Joint coherence and energy along the Langevin chains of an energy prior, to 8 times its steps."""

    depends_on = frozenset({"prior", "decoder"})

    def applies(self, context: Context) -> str | None:
        return needs_several(context) or (None if context.method.prior.chain_steps else "the prior has no chains")

    def __call__(self, context: Context, settings: NoSettings) -> Measures:
        """`joint_coherence_long`: joint coherence of the chains after 8 times the steps that they are trained with.

        Where it differs from `joint_coherence`, what the model samples is not its energy's distribution but that of
        short chains. Joint coherence, and mean and standard deviation of f(z), at all snapshots are in the details.
        Private latents are drawn once for each chain.

        Raises:
            FloatingPointError: decoded items are not finite, as where long chains leave every region that they know.
        """
        trained = context.method.prior.chain_steps
        steps = snapshots(trained) + [factor * trained for factor in LONGER]
        labels, energies = _run(context, steps)
        attributes = dict(context.attributes)
        coherence = [joint_agreement(predicted, attributes)[0] for predicted in labels]
        details = {
            "steps": steps,
            "steps_trained": trained,
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
def _run(context: Context, steps: list[int]) -> tuple[list[dict[str, dict[str, Tensor]]], list[Tensor]]:
    """For each number of steps, predicted labels {attribute: {modality: [N]}} and energies f(z) [N]."""
    method, prior, streams = context.method, context.method.prior, context.streams("chains")
    labels: list[list[dict[str, dict[str, Tensor]]]] = [[] for _ in steps]
    energies: list[list[Tensor]] = [[] for _ in steps]
    for start in range(0, context.samples, context.batch_size):
        n = min(context.batch_size, context.samples - start)
        private = None
        for k, z in enumerate(prior.chains(n, steps, streams)):
            private = method.with_private(z, streams).w if private is None else private
            items = context.generate(Latents(z, private), context.modalities)
            labels[k].append(context.classifiers.classify(context.classifiers.features(items)))
            energies[k].append(prior.energy(z))
    joined = [
        {a: {m: torch.cat([part[a][m] for part in parts]) for m in context.modalities} for a in context.attributes}
        for parts in labels
    ]
    return joined, [torch.cat(parts) for parts in energies]
