"""How well a model predicts held-out sentences, beside what counts of words and of word orders predict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measure, Measures, Z
from evaluators.captions import fitted
from evaluators.context import Context
from evaluators.sentences import Sentence, events, needs_text, ratio, sentences_of, texts
from evaluators.trigram import Trigram
from methods.base import require


@dataclass(frozen=True)
class CaptionBitsSettings:
    latents: int = 16  # K, z for each held-out tuple and given modality
    tuples: int = 1000  # most held-out tuples

    def __post_init__(self) -> None:
        require(latents=(self.latents, self.latents >= 1, "≥ 1"), tuples=(self.tuples, self.tuples >= 1, "≥ 1"))


class CaptionBits(Evaluator):
    """Bits per word of held-out sentences under the model, given another modality or the sentence itself."""

    depends_on = frozenset({"decoder", "posterior"})
    Settings = CaptionBitsSettings

    def applies(self, context: Context) -> str | None:
        return needs_text(context)

    @torch.no_grad()
    def __call__(self, context: Context, settings: CaptionBitsSettings) -> Measures:
        """Of each text modality m, over held-out sentences c_i with |c_i| words and <eos>:

        `m_bits_cross`: the mean over the other modalities s of

            Σ_i −log2 [1/K Σ_k p(c_i | z_ik, w_ik)] / Σ_i |c_i|,   z_ik ~ q(z | x_s,i), w_ik ~ p(w_m),

        with p over the words and the <eos>, an unknown word as one of them, and without the weight λ_m. By Jensen's
        inequality it is, in expectation, at least the code length of c_i given x_s,i under the model, and the nearer
        the more latents there are. So it compares with a unigram and a trigram model of the training sentences on the
        same c_i (`Trigram`, in the details), which see no x_s; the chance level is the unigram's.

        `m_bits_self`: the same with z, w ~ q(z, w | c_i). It says how much of a sentence a latent keeps; the bits that
        z itself takes are not counted, so it is no code length, and may be far below the trigram's.

        Raises:
            FloatingPointError: decoded items are not finite.
        """
        rows, measures = context.rows()[: settings.tuples], Measures()
        for name, modality in texts(context).items():
            held_out = events(sentences_of(context.test, name, rows, context))
            if not any(held_out):
                measures[f"{name}_bits_cross"] = measures[f"{name}_bits_self"] = "no sentence has a word or an <eos>"
                continue
            training = sentences_of(context.train, name, torch.arange(len(context.train)), context)
            trigram = fitted(training, modality)
            bits = {source: _bits(context, name, source, settings) for source in context.modalities}
            others = {source: found for source, found in bits.items() if source != name}
            measures[f"{name}_bits_self"] = _measure({name: bits[name]}, held_out, trigram, f"z of {name} itself")
            measures[f"{name}_bits_cross"] = (
                _measure(others, held_out, trigram, "z of one other modality")
                if others
                else "the data have one modality"
            )
        return measures


def _bits(context: Context, name: str, source: str, settings: CaptionBitsSettings) -> Tensor:
    """−log2 of the mean likelihood over K latents given `source`, of each held-out sentence: [N], float64."""
    # Whatever the model is trained with: baselines have no padding, and an unknown word costs them bits too.
    modality = replace(context.method.modalities[name].unweighted(), likelihood="categorical")
    streams = context.streams(f"{name} bits given {source}")
    parts = []
    with context.method.encoding_once():
        for batch in context.batches(settings.tuples):
            log_p = []
            for _ in range(settings.latents):
                parameters = context.decode(context.method.infer(batch, [source], streams), [name])
                log_p.append(modality.log_likelihood(batch[name], parameters[name]).double())
            parts.append(torch.stack(log_p).logsumexp(0) - math.log(settings.latents))
    return -torch.cat(parts).cpu() / math.log(2)


def _measure(bits: dict[str, Tensor], held_out: list[Sentence], trigram: Trigram, protocol: str) -> Measure:
    mean = torch.stack(list(bits.values())).mean(0)
    value, error = ratio(mean.tolist(), held_out)
    unigram, _ = ratio([trigram.unigram_bits(s) for s in held_out], held_out)
    return Measure(
        value=value,
        protocol=protocol,
        n=len(held_out),
        better="lower",
        low=max(0.0, value - Z * error),
        high=value + Z * error,
        interval="95 % normal over tuples, one model",
        chance=unigram,
        details={
            "sources": {source: ratio(found.tolist(), held_out)[0] for source, found in bits.items()},
            "unigram": unigram,
            "trigram": ratio([trigram.bits(s) for s in held_out], held_out)[0],
        },
    )
