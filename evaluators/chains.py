"""What Langevin dynamics do on their way from p0 to an energy prior, and beyond (the poster's "Markov transition")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.base import Evaluator, Labels, Measures, NoSettings, needs_several
from evaluators.bounds import agreement_ceilings
from evaluators.coherence import coherence_measure, joint_agreement
from evaluators.context import Context
from evaluators.sentences import texts, well_formed
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
        short chains. Joint coherence, and mean and standard deviation of f(z), at all snapshots are in the details; so
        is the share of well-formed sentences (`sentences.well_formed`) where a modality is text. Private latents are
        drawn once for each chain.

        Raises:
            FloatingPointError: decoded items are not finite, as where long chains leave every region that they know.
        """
        trained = context.method.prior.chain_steps
        steps = snapshots(trained) + [factor * trained for factor in LONGER]
        found = _run(context, steps)
        coherence, chances, _ = zip(*(joint_agreement(snapshot.labels, context.attributes) for snapshot in found))
        details = {
            "steps": steps,
            "steps_trained": trained,
            "joint_coherence": list(coherence),
            "energy": [snapshot.energy.mean().item() for snapshot in found],
            "energy_std": [snapshot.energy.std().item() for snapshot in found],
        }
        if texts(context):
            details["well_formed"] = [snapshot.well_formed.double().mean().item() for snapshot in found]
        protocol = f"prior, {LONGER[-1]} times the steps"
        ceilings = agreement_ceilings(context, context.classifiers)
        last = coherence_measure(coherence[-1], context.samples, protocol, chances[-1], ceilings, **details)
        return {"joint_coherence_long": last}


@dataclass(frozen=True)
class Snapshot:
    """N chains after some steps: predicted labels, energies f(z) [N], and whether each text is well-formed [M, N]."""

    labels: Labels
    energy: Tensor
    well_formed: Tensor


def snapshots(steps: int) -> list[int]:
    """Evenly spread numbers of steps from 0 to `steps`."""
    return sorted({round(part * steps / PARTS) for part in range(PARTS + 1)})


@torch.no_grad()
def _run(context: Context, steps: list[int]) -> list[Snapshot]:
    """A snapshot for each number of steps."""
    method, prior, streams = context.method, context.method.prior, context.streams("chains")
    parts: list[list[Snapshot]] = [[] for _ in steps]
    for start in range(0, context.samples, context.batch_size):
        n = min(context.batch_size, context.samples - start)
        private = None
        for k, z in enumerate(prior.chains(n, steps, streams)):
            private = method.with_private(z, streams).w if private is None else private
            parts[k].append(_snapshot(context, Latents(z, private)))
    return [_joined(context, of_steps) for of_steps in parts]


def _snapshot(context: Context, latents: Latents) -> Snapshot:
    parameters = context.decode(latents, context.modalities)
    form = [well_formed(m.tokens(parameters[name])) for name, m in texts(context).items()]
    return Snapshot(
        labels=context.classifiers.classify(context.classifiers.features(context.read(parameters))),
        energy=context.method.prior.energy(latents.z),
        well_formed=torch.stack(form) if form else torch.empty(0, len(latents.z), dtype=torch.bool),
    )


def _joined(context: Context, parts: list[Snapshot]) -> Snapshot:
    """Chains one after another."""
    labels = {
        a: {m: torch.cat([part.labels[a][m] for part in parts]) for m in context.modalities} for a in context.attributes
    }
    return Snapshot(
        labels=labels,
        energy=torch.cat([part.energy for part in parts]),
        well_formed=torch.cat([part.well_formed for part in parts], 1),
    )
