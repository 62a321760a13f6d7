"""Are generated sentences sentences? Their form, how usual the order of their words is, and whether they are copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, wilson
from evaluators.context import Context, Source, Tuples
from evaluators.sentences import (
    Sentence,
    events,
    generated,
    nearest_sentence,
    needs_text,
    padded,
    rules,
    texts,
    well_formed,
    words,
)
from evaluators.trigram import Trigram
from methods.base import require
from methods.modality import TextModality

Z = 1.959964  # standard errors of a 95 % interval


@dataclass(frozen=True)
class CaptionsSettings:
    generated: int = 500  # most sentences of a kind whose nearest training sentence is looked for
    training: int = 2000  # most training sentences, all different, among which it is looked for

    def __post_init__(self) -> None:
        require(
            generated=(self.generated, self.generated >= 1, "≥ 1"),
            training=(self.training, self.training >= 1, "≥ 1"),
        )


class Captions(Evaluator):
    """Form, word order and copying of the sentences that a text decoder gives."""

    depends_on = frozenset({"prior", "decoder", "posterior"})
    Settings = CaptionsSettings

    def applies(self, context: Context) -> str | None:
        return needs_text(context)

    def __call__(self, context: Context, settings: CaptionsSettings) -> Measures:
        """Of each text modality m, from samples of the prior; and with the suffix `_cross` from z ~ q(z | x_s), one
        sample for each held-out tuple, the mean over the other modalities s:

        `m_well_formed`: share of sentences that `sentences.well_formed` accepts, with each rule's own share in the
        details. They are the most likely token at each place, before `to_item` cuts them.

        `m_bits_trigram`: Σ_i −log2 p(c_i) / Σ_i |c_i|, with p the trigram model of the training sentences (`Trigram`)
        and |c_i| the number of words of sentence i, its <eos> counted. Below what held-out sentences have, the order of
        the words is more usual than that of real ones: neither direction is better.

        `m_copied`: share of sentences that are a training sentence word for word.

        `m_edit_distance`: mean over sentences of the least number of words to insert, leave out or replace that makes a
        training sentence of it, as a share of the longer one's words (`nearest_sentence`); over at most `generated`
        sentences and `training` training ones, drawn once.

        Each has as its ceiling what held-out sentences have. Sentences that are copied more often than those, or are
        nearer to training ones, are copies.

        Raises:
            FloatingPointError: decoded items are not finite.
        """
        others: list[Source] = [(source,) for source in context.modalities]
        found = generated(context, ["prior", *others])
        measures: Measures = {}
        for name, modality in texts(context).items():
            real = Real.of(context, name, modality, settings)
            of_prior = Drawn(found["prior"][name], context.samples, "prior")
            measures |= {f"{name}_{key}": measure for key, measure in _measures(of_prior, real, settings).items()}
            if sources := [source for source in others if source != (name,)]:
                tokens = torch.cat([found[source][name] for source in sources])
                crossed = Drawn(tokens, context.tuples, "z of one other modality")
                for key, measure in _measures(crossed, real, settings).items():
                    measures[f"{name}_{key}_cross"] = measure
        return measures


@dataclass(frozen=True)
class Drawn:
    """Generated tokens [K, T], of n independent latents or tuples."""

    tokens: Tensor
    n: int
    protocol: str


@dataclass(frozen=True)
class Real:
    """The real sentences of one modality, and what is made of the training ones."""

    training: Tensor  # [N, T]
    held_out: Tensor
    trigram: Trigram
    known: frozenset[Sentence]  # the words of each training sentence
    searched: list[Sentence]  # some of them
    distance: float  # of held-out sentences to the nearest of those

    @classmethod
    def of(cls, context: Context, name: str, modality: TextModality, settings: CaptionsSettings) -> Real:
        training = sentences_of(context.train, name, torch.arange(len(context.train)), context)
        held_out = sentences_of(context.test, name, context.rows(), context)
        known = list(dict.fromkeys(words(training)))
        searched = _some(known, settings.training)
        return cls(
            training=training,
            held_out=held_out,
            trigram=fitted(training, modality),
            known=frozenset(known),
            searched=searched,
            distance=nearest_sentence(_some(words(held_out), settings.generated), searched).mean().item(),
        )


def sentences_of(split: Tuples, name: str, rows: Tensor, context: Context) -> Tensor:
    """Those of a split's rows: [N, T]."""
    parts = rows.to(context.device).split(context.batch_size)
    return torch.cat([split.batch(part)[name].cpu() for part in parts])


def fitted(training: Tensor, modality: TextModality) -> Trigram:
    """The trigram model of training sentences [N, T]; its tokens are the words, <unk> and <eos>."""
    return Trigram(events(training), len(modality.vocabulary) - 1)


def ratio(bits: Sequence[float], sentences: Sequence[Sentence]) -> tuple[float, float]:
    """Σ_i b_i / Σ_i |c_i| and, to first order, its standard error over sentences; at least one has to have a token."""
    lengths = torch.tensor([len(s) for s in sentences], dtype=torch.float64)
    each = torch.tensor(bits, dtype=torch.float64)
    value = (each.sum() / lengths.sum()).item()
    return value, ((each - value * lengths).square().sum().sqrt() / lengths.sum()).item()


def _measures(drawn: Drawn, real: Real, settings: CaptionsSettings) -> Measures:
    return {
        "well_formed": _form(drawn, real),
        "bits_trigram": _bits(drawn, real),
        "copied": _copied(drawn, real),
        "edit_distance": _distance(drawn, real, settings),
    }


def _form(drawn: Drawn, real: Real) -> Measure:
    details = {
        "rules": {rule: _share(kept) for rule, kept in rules(drawn.tokens).items()},
        "only_padding_after_the_end": _share(padded(drawn.tokens)),
        "training": _share(well_formed(real.training)),
    }
    value, ceiling = _share(well_formed(drawn.tokens)), _share(well_formed(real.held_out))
    return replace(_proportion(value, drawn.n, drawn.protocol), better="higher", ceiling=ceiling, details=details)


def _copied(drawn: Drawn, real: Real) -> Measure:
    value, held_out = (_share(torch.tensor([s in real.known for s in words(x)])) for x in (drawn.tokens, real.held_out))
    measure = _proportion(value, drawn.n, f"{drawn.protocol}, all training sentences")
    return replace(measure, ceiling=held_out, details={"different_training_sentences": len(real.known)})


def _bits(drawn: Drawn, real: Real) -> Measure | str:
    sentences, held_out = events(drawn.tokens), events(real.held_out)
    if not any(sentences) or not any(held_out):
        return "no sentence has a word or an <eos>"
    value, error = ratio([real.trigram.bits(s) for s in sentences], sentences)
    ceiling, _ = ratio([real.trigram.bits(s) for s in held_out], held_out)
    # Several sentences of one tuple are not independent: the error is that of one for each.
    error *= (len(sentences) / drawn.n) ** 0.5
    return Measure(
        value=value,
        protocol=f"{drawn.protocol}, bits per word and <eos>, Witten-Bell trigram of training sentences",
        n=drawn.n,
        low=max(0.0, value - Z * error),
        high=value + Z * error,
        interval="95 % normal over sentences, one model",
        ceiling=ceiling,
        details={"words_per_sentence": _words(drawn.tokens), "held_out_words_per_sentence": _words(real.held_out)},
    )


def _distance(drawn: Drawn, real: Real, settings: CaptionsSettings) -> Measure:
    near = nearest_sentence(_some(words(drawn.tokens), settings.generated), real.searched)
    n, value = min(len(near), drawn.n), near.mean().item()
    error = near.std(correction=0).item() / n**0.5
    return Measure(
        value=value,
        protocol=f"{drawn.protocol}, nearest of {len(real.searched)} training sentences",
        n=n,
        low=max(0.0, value - Z * error),
        high=min(1.0, value + Z * error),
        interval="95 % normal over sentences, one model",
        ceiling=real.distance,
    )


def _proportion(value: float, n: int, protocol: str) -> Measure:
    low, high = wilson(value, n)
    return Measure(value, protocol, n, low=low, high=high, interval="95 % Wilson, one model")


def _share(kept: Tensor) -> float:
    return kept.double().mean().item()


def _words(tokens: Tensor) -> float:
    found = words(tokens)
    return sum(map(len, found)) / len(found)


def _some(sentences: list[Sentence], most: int) -> list[Sentence]:
    """At most so many of them, the same ones each time."""
    order = torch.randperm(len(sentences), generator=torch.Generator().manual_seed(0))[:most]
    return [sentences[row] for row in order.tolist()]
