"""Are generated sentences sentences? Their form, how usual the order of their words is, and whether they are copied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, Z, wilson
from evaluators.context import Context, Source
from evaluators.sentences import (
    Sentence,
    events,
    generated,
    nearest_sentence,
    needs_text,
    padded,
    ratio,
    rules,
    sentences_of,
    texts,
    well_formed,
    words,
)
from evaluators.trigram import Trigram
from methods.base import require
from methods.modality import TextModality


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
    most: int  # held-out sentences whose nearest one is looked for

    @classmethod
    def of(cls, context: Context, name: str, modality: TextModality, settings: CaptionsSettings) -> Real:
        training = sentences_of(context.train, name, torch.arange(len(context.train)), context)
        held_out = sentences_of(context.test, name, context.rows(), context)
        known = list(dict.fromkeys(words(training)))
        return cls(
            training=training,
            held_out=held_out,
            trigram=fitted(training, modality),
            known=frozenset(known),
            searched=_some(known, settings.training),
            most=settings.generated,
        )

    # What held-out sentences have, of which the ceilings are; it serves samples of the prior and cross generation.

    @cached_property
    def held_out_words(self) -> list[Sentence]:
        return words(self.held_out)

    @cached_property
    def form(self) -> float:
        return _share(well_formed(self.held_out))

    @cached_property
    def training_form(self) -> float:
        return _share(well_formed(self.training))

    @cached_property
    def copied(self) -> float:
        return _share(torch.tensor([s in self.known for s in self.held_out_words]))

    @cached_property
    def bits(self) -> float | None:
        """None where no sentence has a word or an <eos>."""
        held_out = events(self.held_out)
        return ratio([self.trigram.bits(s) for s in held_out], held_out)[0] if any(held_out) else None

    @cached_property
    def distance(self) -> float:
        """To the nearest of `searched`."""
        return nearest_sentence(_some(self.held_out_words, self.most), self.searched).mean().item()


def fitted(training: Tensor, modality: TextModality) -> Trigram:
    """The trigram model of training sentences [N, T]; its tokens are the words, <unk> and <eos>."""
    return Trigram(events(training), len(modality.vocabulary) - 1)


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
        "training": real.training_form,
    }
    measure = _proportion(_share(well_formed(drawn.tokens)), drawn.n, drawn.protocol)
    return replace(measure, better="higher", ceiling=real.form, details=details)


def _copied(drawn: Drawn, real: Real) -> Measure:
    value = _share(torch.tensor([s in real.known for s in words(drawn.tokens)]))
    measure = _proportion(value, drawn.n, f"{drawn.protocol}, all training sentences")
    return replace(measure, ceiling=real.copied, details={"different_training_sentences": len(real.known)})


def _bits(drawn: Drawn, real: Real) -> Measure | str:
    sentences = events(drawn.tokens)
    if not any(sentences) or real.bits is None:
        return "no sentence has a word or an <eos>"
    value, error = ratio([real.trigram.bits(s) for s in sentences], sentences)
    # Several sentences of one tuple are not independent: the error is that of one for each.
    error *= (len(sentences) / drawn.n) ** 0.5
    return Measure(
        value=value,
        protocol=f"{drawn.protocol}, bits per word and <eos>, Witten-Bell trigram of training sentences",
        n=drawn.n,
        low=max(0.0, value - Z * error),
        high=value + Z * error,
        interval="95 % normal over sentences, one model",
        ceiling=real.bits,
        details={
            "words_per_sentence": _mean_length(words(drawn.tokens)),
            "held_out_words_per_sentence": _mean_length(real.held_out_words),
        },
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


def _mean_length(sentences: list[Sentence]) -> float:
    return sum(map(len, sentences)) / len(sentences)


def _some(sentences: list[Sentence], most: int) -> list[Sentence]:
    """At most so many of them, the same ones each time."""
    order = torch.randperm(len(sentences), generator=torch.Generator().manual_seed(0))[:most]
    return [sentences[row] for row in order.tolist()]
