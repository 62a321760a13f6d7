"""What an evaluation costs: generations a second, and the seconds of the coherence protocol."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial

import torch

from bench.config.schema import EvaluationConfig, RunConfig
from bench.datasets.base import Dataset
from bench.evaluation.classifier_networks import make_classifier
from bench.evaluation.classifiers import Classifiers
from bench.evaluation.measuring import evaluation_context
from bench.evaluation.measuring import measure as measured
from bench.speed.timing import in_turns
from bench.training.acceleration import Acceleration
from bench.training.building import build_method
from evaluators.context import Context
from methods.base import Streams

PROTOCOL = ("joint", "cross")  # the evaluators of coherence
PROTOCOL_TUPLES = 10_000  # what the seconds of the coherence protocol are given for


def measure_evaluation(config: RunConfig, data: Dataset, rounds: int, tuples: int) -> dict[str, float]:
    """Prior samples and cross generations a second, and the seconds of joint and cross coherence on 10,000 tuples.

    A prior sample is a latent from the model's prior, decoded into every modality; a cross generation the same with
    the latent encoded from one modality. The protocol is timed on `tuples` tuples, and its cost is linear in them.
    """
    device, n = data.test.device, min(tuples, config.evaluation.batch_size)
    method, streams = build_method(config, data.modalities, device, 0, Acceleration()).eval(), Streams(0, device)
    names, batch = list(method.modalities), data.test.batch(slice(0, n))
    context = evaluation_context(method, data, untrained(data), 0, replace(config.evaluation, samples=tuples))
    samplers = {
        "prior": lambda: method.decode(method.sample_prior(n, streams), names),
        "cross": lambda: method.decode(method.infer(batch, names[:1], streams), names),
    }
    with torch.no_grad():
        times = in_turns(samplers, device, rounds)
    protocol = {"protocol": partial(coherence, context, config.evaluation)}
    seconds = in_turns(protocol, device, rounds=2, warm_up=0)["protocol"]
    return {
        "prior_samples_per_second": n / statistics.median(times["prior"]),
        "cross_generations_per_second": n / statistics.median(times["cross"]),
        "coherence_seconds": statistics.median(seconds) * PROTOCOL_TUPLES / tuples,
        "coherence_tuples": tuples,
    }


def coherence(context: Context, evaluation: EvaluationConfig) -> None:
    """The coherence protocol, with nothing that was classified before."""
    context = replace(context)  # starts without predictions
    for name in PROTOCOL:
        measured(name, context, evaluation)


def untrained(data: Dataset) -> Classifiers:
    """Classifiers that cost what trained ones do. Raises BenchError for a kind of modality that has none."""
    networks = {
        m.name: make_classifier(m, data.attributes, seed=0).to(data.test.device).eval() for m in data.modalities
    }
    return Classifiers(networks, {name: dict.fromkeys(data.attributes, 1.0) for name in networks})
