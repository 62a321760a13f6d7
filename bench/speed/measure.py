"""How fast each method trains and is evaluated on this machine, beside the plain way of computing the same loss.

Images are random bytes of the modalities' shapes: nothing here depends on what they show. The training step is the
harness's own (`bench.training.loop.update`) at the end of the training, when every term of the loss is in. What is
compared is timed in turns, so that whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import math
import statistics
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from bench.config.resolve import RunConfig, resolve
from bench.datasets.base import Split
from bench.errors import BenchError, UsageError
from bench.evaluation.classifiers import Classifiers, DigitClassifier
from bench.runs import provenance
from bench.training.acceleration import WARM_UP, Acceleration, Step, accelerate, aside, capture
from bench.training.loop import clip, make_optimiser, set_capturable, update
from evaluators.base import Context
from evaluators.coherence import cross_coherence, joint_coherence
from methods import method_class
from methods.base import Batch, Method, Modality, Streams, Terms
from methods.naive import plain_loss

PROTOCOL_TUPLES = 10_000  # what the seconds of the coherence protocol are given for
BLOCK_SECONDS = 0.1  # steps shorter than this are timed several at once
TRAINING_ROWS = 1024


@dataclass(frozen=True)
class Candidate:
    """One way to train: `step(batch)` is one whole training step."""

    method: Method
    optimiser: torch.optim.Adam
    streams: Streams
    step: Step


@dataclass(frozen=True)
class Times:
    """Seconds of one step: median and quartiles over the rounds."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(seconds: Sequence[float]) -> Times:
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return Times(median, low, high)


class Tally(TorchDispatchMode):
    """Counts within it: `flops` of matrix products and convolutions, forward and backward, two for a multiplication
    with its addition; and `peak`, the most bytes that tensors made within it have held at once.

    What an operation holds for itself alone, such as a convolution's workspace, is not seen. `known` tensors, which
    in-place operations give back, do not count.
    """

    def __init__(self, known: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.alive = {tensor.untyped_storage()._cdata for tensor in known}
        self.now = self.peak = self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self.add(tensor.untyped_storage())
        return result

    def add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self.alive:
            return
        self.alive.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.remove, storage._cdata, storage.nbytes())

    def remove(self, key: int, size: int) -> None:
        self.alive.discard(key)
        self.now -= size


def configurations(
    methods: Sequence[str], dataset: str, preset: str, settings: Sequence[str], latent: int | None
) -> list[RunConfig]:
    """As `bench.config.resolve.resolve`; `latent` is the size of a decoder's input: D, or D + D_w in equal parts.

    Raises UsageError, also for an odd `latent` where it has to be halved.
    """
    configs = resolve(methods, dataset, "random", preset, settings)
    return configs if latent is None else [replace(c, model=with_latent(c.model, latent)) for c in configs]


def with_latent(model: Any, latent: int) -> Any:
    try:
        if not hasattr(model, "private_dim"):
            return replace(model, latent_dim=latent)
        if latent % 2:
            raise ValueError(f"latent_dim={latent}: must be even, for a shared and a private half")
        return replace(model, latent_dim=latent // 2, private_dim=latent // 2)
    except ValueError as error:
        raise UsageError(f"--latent {latent}: {error}") from None


def measure(config: RunConfig, module: ModuleType, device: torch.device, rounds: int, tuples: int) -> dict[str, Any]:
    """Everything about one method, as plain values."""
    split = random_split(
        module.MODALITIES, max(TRAINING_ROWS, config.trainer.batch_size, tuples), module.CLASSES, device
    )
    return {
        "method": config.method,
        "network": getattr(config.model, "network", None),
        "experts": getattr(config.model, "experts", None),
        "batch_size": config.trainer.batch_size,
        **measure_training(config, module.MODALITIES, split, rounds),
        "evaluation": measure_evaluation(config, module, split, rounds, tuples),
    }


def origin(device: torch.device) -> dict[str, Any]:
    """What was measured, on what: code, versions, hardware."""
    return {"data": "random bytes", "code": provenance.code(), **provenance.environment(device)}


def flat(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per method and way to train, each with the evaluation's rates and where all was measured."""
    hardware, versions = result["hardware"], result["versions"]
    where = {key: hardware[key] for key in ("name", "device", "cores", "threads")}
    where |= {"torch": versions["torch"], "revision": result["code"]["revision"], "preset": result["preset"]}
    where |= {"settings": " ".join(result["settings"]), "latent": result["latent"]}
    rows = []
    for method in result["methods"]:
        plain = method["training"].get("plain", {}).get("seconds", math.nan)
        what = {key: method[key] for key in ("method", "network", "experts", "batch_size", "matmul_flops_per_second")}
        for way, step in method["training"].items():
            rows.append(
                {
                    **what,
                    "way": way,
                    **step,
                    "faster_than_plain": plain / step["seconds"],
                    **method["evaluation"],
                    **where,
                }
            )
    return rows


# Training


def measure_training(config: RunConfig, modalities: Sequence[Modality], split: Split, rounds: int) -> dict[str, Any]:
    """Step times of each way to train, and the matrix product's, timed in turns.

    A way that cannot be gone has its error's message in `failed`, and a method without a plain loss has no `plain`.
    """
    device = split.labels.device
    product, product_flops = matrix_product(device)
    batches = batches_of(split, config.trainer.batch_size)
    candidates, failed = {}, {}
    for name in WAYS if device.type == "cuda" else ON_CPU:
        try:
            candidate = WAYS[name](config, modalities, device)
            candidate.step(next(batches))
            candidates[name] = candidate
        except NotImplementedError:
            pass
        except RuntimeError as error:
            if name == "suite":
                raise BenchError(f"{config.method} cannot be trained here: {error}. Try a smaller batch") from error
            failed[name] = str(error)
    steps = {name: partial(one_step, candidate, batches) for name, candidate in candidates.items()}
    times = in_turns({**steps, "product": product}, device, rounds)
    peak = product_flops / min(times.pop("product"))
    flops, _ = tally(candidates["suite"], next(batches))
    training = {
        name: describe_training(candidates[name], next(batches), seconds, flops, peak)
        for name, seconds in times.items()
    }
    return {"matmul_flops_per_second": peak, "training": training, "failed": failed}


def one_step(candidate: Candidate, batches: Iterator[Batch]) -> None:
    candidate.step(next(batches))


def describe_training(
    candidate: Candidate, batch: Batch, seconds: Sequence[float], suite_flops: int, peak: float
) -> dict[str, Any]:
    times, rows = Times.of(seconds), len(next(iter(batch.values())))
    flops, peak_bytes = tally(candidate, batch)
    flops = flops or suite_flops  # what a graph replays is not seen
    return {
        "seconds": times.median,
        "seconds_low": times.low,
        "seconds_high": times.high,
        "samples_per_second": rows / times.median,
        "flops": flops,
        "flops_per_second": flops / times.median,
        "share_of_matmul_peak": flops / times.median / peak,
        "peak_bytes": peak_bytes,
    }


def suite(
    config: RunConfig,
    modalities: Sequence[Modality],
    device: torch.device,
    acceleration: Acceleration = Acceleration(),  # noqa: B008 (frozen)
) -> Candidate:
    """The step that `bench run` makes."""
    method, streams = build(config, modalities, device), Streams(0, device)
    accelerate(method, acceleration)
    optimiser = make_optimiser(method, config.trainer)
    return Candidate(method, optimiser, streams, lambda batch: update(method, batch, streams, optimiser, 1.0))


def graph(
    config: RunConfig, modalities: Sequence[Modality], device: torch.device, acceleration: Acceleration
) -> Candidate:
    """The same step as one CUDA graph, captured at the first batch."""
    candidate = suite(config, modalities, device, acceleration)
    set_capturable(candidate.optimiser, device)
    captured: list[Step] = []

    def step(batch: Batch) -> Terms:
        if not captured:
            for _ in range(WARM_UP):
                aside(candidate.step, batch)
            captured.append(capture(candidate.step, batch, candidate.streams))
        return captured[0](batch)

    return replace(candidate, step=step)


def plain_way(config: RunConfig, modalities: Sequence[Modality], device: torch.device) -> Candidate:
    """`plain_loss` with Adam as torch has it by default. The step raises NotImplementedError where there is none."""
    method, streams = build(config, modalities, device), Streams(0, device)
    groups = [{**group, "fused": None} for group in make_optimiser(method, config.trainer).param_groups]
    optimiser = torch.optim.Adam(groups)

    def step(batch: Batch) -> Terms:
        loss = plain_loss(method, batch, streams, 1.0)
        optimiser.zero_grad()
        loss.backward()
        clip(optimiser)
        optimiser.step()
        return {"loss": loss.detach()}

    return Candidate(method, optimiser, streams, step)


BFLOAT16 = Acceleration(bfloat16=True)
BFLOAT16_LAST = Acceleration(bfloat16=True, channels_last=True)

# Ways to train, by the name that results give them. A graph comes last: one that fails may leave the device in trouble.
WAYS: dict[str, Callable[[RunConfig, Sequence[Modality], torch.device], Candidate]] = {
    "plain": plain_way,
    "suite": suite,
    "bfloat16": partial(suite, acceleration=BFLOAT16),
    "bfloat16, channels last": partial(suite, acceleration=BFLOAT16_LAST),
    "graph": partial(graph, acceleration=Acceleration()),
    "graph, bfloat16, channels last": partial(graph, acceleration=BFLOAT16_LAST),
}
ON_CPU = ("plain", "suite")


def build(config: RunConfig, modalities: Sequence[Modality], device: torch.device) -> Method:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return method_class(config.method)(config.model, modalities).to(device).train()


def tally(candidate: Candidate, batch: Batch) -> tuple[int, int]:
    """Operations of a step, and bytes: of model and optimiser with the most that the step adds to them.

    The data do not count. On CUDA the bytes are the allocator's, elsewhere `Tally`'s.
    """
    candidate.optimiser.zero_grad()
    state = [value for one in candidate.optimiser.state.values() for value in one.values() if isinstance(value, Tensor)]
    held = [*candidate.method.parameters(), *candidate.method.buffers(), *state]
    with Tally([*held, *batch.values()]) as counted:
        candidate.step(batch)
    added, device = counted.peak, held[0].device
    if device.type == "cuda":
        candidate.optimiser.zero_grad()
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        candidate.step(batch)
        added = torch.cuda.max_memory_allocated(device) - before
    return counted.flops, added + sum(tensor.nbytes for tensor in held)


# Evaluation


def measure_evaluation(
    config: RunConfig, module: ModuleType, split: Split, rounds: int, tuples: int
) -> dict[str, float]:
    """Prior samples and cross generations a second, and the seconds of joint and cross coherence on 10,000 tuples.

    A prior sample is a latent from the model's own prior, decoded into every modality; a cross generation the same
    with the latent encoded from one modality. The protocol is timed on `tuples` tuples, and its cost is linear in them.
    """
    device, n = split.labels.device, min(tuples, config.evaluation.batch_size)
    method, streams = build(config, module.MODALITIES, device).eval(), Streams(0, device)
    names, batch = list(method.modalities), split.batch(slice(0, n))
    judge = Classifiers(
        {m.name: DigitClassifier(m.shape, module.CLASSES).to(device).eval() for m in module.MODALITIES},
        dict.fromkeys(names, 1.0),
    )
    context = Context(
        method=method,
        train=split.items,
        train_labels=split.labels,
        test=split.items,
        labels=split.labels[:tuples],
        judge=judge,
        seed=0,
        classes=module.CLASSES,
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
    """The coherence protocol, with nothing that was judged before."""
    anew = replace(context, _judged={})
    joint_coherence(anew)
    cross_coherence(anew)


# What both need


def in_turns(
    candidates: Mapping[str, Callable[[], object]], device: torch.device, rounds: int, warm_up: int = 2
) -> dict[str, list[float]]:
    """Seconds of one call of each candidate, once a round, after `warm_up` calls each."""
    for call in candidates.values():
        for _ in range(warm_up):
            call()
    block = {name: max(1, round(BLOCK_SECONDS / timed(call, device))) for name, call in candidates.items() if warm_up}
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            seconds[name].append(timed(call, device, block.get(name, 1)))
    return seconds


def timed(call: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds of one of `times` calls, until the device has done them."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(times):
        call()
    synchronise(device)
    return (time.perf_counter() - started) / times


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_product(device: torch.device) -> tuple[Callable[[], object], int]:
    """A large product of float32 matrices, and its number of operations: what the machine can do at best."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(2, side, side, device=device)
    return lambda: a @ b, 2 * side**3


def random_split(modalities: Sequence[Modality], n: int, classes: int, device: torch.device) -> Split:
    generator = torch.Generator().manual_seed(0)
    items = {m.name: torch.randint(256, (n, *m.shape), generator=generator, dtype=torch.uint8) for m in modalities}
    return Split(items, torch.randint(classes, (n,), generator=generator)).to(device)


def batches_of(split: Split, size: int) -> Iterator[Batch]:
    """Random batches without end, made on the device as the training makes them."""
    generator = torch.Generator(split.labels.device).manual_seed(0)
    while True:
        yield split.batch(torch.randint(len(split), (size,), generator=generator, device=split.labels.device))
