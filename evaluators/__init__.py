"""Measures of a trained method. They see it through its contract and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from methods.registry import Registry

if TYPE_CHECKING:
    from evaluators.base import Evaluator

EVALUATORS: Registry[type[Evaluator]] = Registry(
    "evaluator",
    "bench.evaluators",
    {
        "joint": "evaluators.coherence:JointCoherence",
        "cross": "evaluators.coherence:CrossCoherence",
        "published-joint": "evaluators.published:PublishedJointCoherence",
        "published-cross": "evaluators.published:PublishedCrossCoherence",
        "subsets": "evaluators.subsets:SubsetCoherence",
        "diversity": "evaluators.diversity:Diversity",
        "coverage": "evaluators.coverage:Coverage",
        "frechet": "evaluators.frechet:FrechetJoint",
        "frechet-cross": "evaluators.frechet:FrechetCross",
        "copies": "evaluators.copies:Copies",
        "probes": "evaluators.probes:LatentProbes",
        "likelihood": "evaluators.likelihood:LogLikelihood",
        "chains": "evaluators.chains:ChainCoherence",
        "captions": "evaluators.captions:Captions",
        "caption-bits": "evaluators.caption_bits:CaptionBits",
        "correlation": "evaluators.correlation:Correlation",
        "fid": "evaluators.fid:InceptionDistance",
    },
)


def default_evaluators() -> list[str]:
    """What every run is evaluated by, in the order of the registry."""
    return [name for name in EVALUATORS if EVALUATORS.load(name).default]


def prior_evaluators() -> list[str]:
    """The default evaluators whose measures depend on the prior of z."""
    return [name for name in default_evaluators() if "prior" in EVALUATORS.load(name).depends_on]
