"""What an evaluation costs: generations a second, and the seconds of the coherence protocol."""

from __future__ import annotations

import statistics
from dataclasses import replace
from functools import partial

import torch

from bench.config.schema import RunConfig
from bench.datasets.base import Dataset
from bench.evaluation.classifier_networks import make_classifier
from bench.evaluation.classifiers import Classifiers
from bench.speed.timing import in_turns
from bench.training.acceleration import Acceleration
from bench.training.building import build_method
from evaluators import EVALUATORS
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
    method, streams = build_method(config, data, device, 0, Acceleration()).eval(), Streams(0, device)
    names, batch = list(method.modalities), data.test.batch(slice(0, n))
    context = Context(
        method=method,
        train=data.train,
        test=data.test,
        classifiers=untrained(data),
        attributes=data.attributes,
        seed=0,
        samples=tuples,
        batch_size=config.evaluation.batch_size,
    )
    samplers = {
        "prior": lambda: method.decode(method.sample_prior(n, streams), names),
        "cross": lambda: method.decode(method.infer(batch, names[:1], streams), names),
    }
    with torch.no_grad():
        times = in_turns(samplers, device, rounds)
    protocol = in_turns({"protocol": partial(coherence, context)}, device, rounds=2, warm_up=0)["protocol"]
    return {
        "prior_samples_per_second": n / statistics.median(times["prior"]),
        "cross_generations_per_second": n / statistics.median(times["cross"]),
        "coherence_seconds": statistics.median(protocol) * PROTOCOL_TUPLES / tuples,
        "coherence_tuples": tuples,
    }


def coherence(context: Context) -> None:
    """The coherence protocol, with nothing that was classified before."""
    context = replace(context)  # starts without predictions
    for name in PROTOCOL:
        evaluator = EVALUATORS.load(name)()
        if evaluator.applies(context) is None:
            evaluator(context, evaluator.Settings())


def untrained(data: Dataset) -> Classifiers:
    """Classifiers that cost what trained ones do. Raises BenchError for a kind of modality that has none."""
    networks = {
        m.name: make_classifier(m, data.attributes, seed=0).to(data.test.device).eval() for m in data.modalities
    }
    return Classifiers(networks, {name: dict.fromkeys(data.attributes, 1.0) for name in networks})
