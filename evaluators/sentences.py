"""Sentences as token ids [N, T]: whether they are well-formed, what their words are, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from evaluators.context import Context, Source, Tuples
from methods.modality import END, PAD, SPECIAL, TextModality

Sentence = tuple[int, ...]  # ids of its words

ROWS = 16  # sentences whose distances are computed at once


def texts(context: Context) -> dict[str, TextModality]:
    """The text modalities by name."""
    return {name: m for name, m in context.method.modalities.items() if isinstance(m, TextModality)}


def needs_text(context: Context) -> str | None:
    """The reason of an evaluator of sentences."""
    return None if texts(context) else "no modality of the data is text"


def sentences_of(split: Tuples, name: str, rows: Tensor, context: Context) -> Tensor:
    """Those of a split's rows: [N, T]."""
    parts = rows.to(context.device).split(context.batch_size)
    return torch.cat([split.batch(part)[name].cpu() for part in parts])


@torch.no_grad()
def generated(context: Context, sources: Sequence[Source]) -> dict[Source, dict[str, Tensor]]:
    """The tokens that the text decoders give, before anything after an <eos> is cut: {source: {modality: [N, T]}}.

    They are of the very latents that the items of `Context.predictions` are decoded from. No source is "real".
    """
    modalities = texts(context)
    parts: dict[Source, list[dict[str, Tensor]]] = {source: [] for source in sources}
    for source, _, latents in context.latents(sources):
        if latents is not None:
            parameters = context.decode(latents, list(modalities))
            parts[source].append({name: m.tokens(parameters[name]).cpu() for name, m in modalities.items()})
    return {s: {name: torch.cat([part[name] for part in found]) for name in modalities} for s, found in parts.items()}


def within(tokens: Tensor) -> Tensor:
    """Which places come before the first <eos>: bool [N, T]."""
    return (tokens == END).cumsum(1) == 0


def rules(tokens: Tensor) -> dict[str, Tensor]:
    """Which of the sentences keep each rule of `well_formed`: {rule: bool [N]}."""
    inside = within(tokens)
    is_word = tokens >= len(SPECIAL)
    repeated = (tokens[:, 1:] == tokens[:, :-1]) & inside[:, 1:] & is_word[:, 1:]
    return {
        "a word": (inside & is_word).any(1),
        "known words": ~(inside & ~is_word).any(1),
        "an end": (tokens == END).any(1),
        "no word twice in a row": ~repeated.any(1),
    }


def well_formed(tokens: Tensor) -> Tensor:
    """Which sentences have at least one word, known words alone before the first <eos> (neither <unk> nor <pad>), that
    <eos>, and no word twice in a row: bool [N].

    What stands after the first <eos> does not count: no reader sees it, and in the likelihood `categorical` it is no
    event, so that no decoder is trained on it. See `padded`.
    """
    return torch.stack(list(rules(tokens).values())).all(0)


def padded(tokens: Tensor) -> Tensor:
    """Which sentences have an <eos>, and nothing but <pad> after the first: bool [N]."""
    after = ~within(tokens)
    return after.any(1) & ((tokens == PAD) | ~after).sum(1).eq(tokens.shape[1] - 1)


def events(tokens: Tensor) -> list[Sentence]:
    """The tokens that a reader sees of each sentence: its words and the <eos>, if it has one."""
    return [tuple(t for t in row if t != PAD) for row in _up_to_end(tokens)]


def words(tokens: Tensor) -> list[Sentence]:
    """The words alone."""
    return [tuple(t for t in row if t not in (PAD, END)) for row in _up_to_end(tokens)]


def _up_to_end(tokens: Tensor) -> Iterator[list[int]]:
    for row in tokens.tolist():
        yield row[: row.index(END) + 1] if END in row else row


def ratio(bits: Sequence[float], sentences: Sequence[Sentence]) -> tuple[float, float]:
    """Σ_i b_i / Σ_i |c_i| and, to first order, its standard error over sentences; at least one has to have a token."""
    lengths = torch.tensor([len(s) for s in sentences], dtype=torch.float64)
    each = torch.tensor(bits, dtype=torch.float64)
    value = (each.sum() / lengths.sum()).item()
    return value, ((each - value * lengths).square().sum().sqrt() / lengths.sum()).item()


def nearest_sentence(a: Sequence[Sentence], b: Sequence[Sentence]) -> Tensor:
    """min_j d(a_i, b_j) / max(|a_i|, |b_j|, 1) with d the number of words that have to be inserted, left out or
    replaced (Levenshtein 1966): [N], 0 for a copy, 1 where no word is shared."""
    right, right_lengths = _padded(b)
    parts = []
    for start in range(0, len(a), ROWS):
        left, left_lengths = _padded(a[start : start + ROWS])
        longest = torch.maximum(left_lengths[:, None], right_lengths).clamp_min(1)
        parts.append((_edits(left, left_lengths, right, right_lengths) / longest).amin(1))
    return torch.cat(parts)


def _padded(sentences: Sequence[Sentence]) -> tuple[Tensor, Tensor]:
    """Ids [N, longest], filled up with −1, and lengths [N]."""
    longest = max(map(len, sentences))
    ids = torch.tensor([[*s, *[-1] * (longest - len(s))] for s in sentences], dtype=torch.int32)
    return ids.reshape(len(sentences), longest), torch.tensor([len(s) for s in sentences])


def _edits(left: Tensor, left_lengths: Tensor, right: Tensor, right_lengths: Tensor) -> Tensor:
    """Edit distances of all pairs: [N, K], float64."""
    places = torch.arange(right.shape[1] + 1, dtype=torch.int16)
    row = places.expand(len(left), len(right), -1)  # d(the first i words of a, the first j of b), j = 0 … longest
    kept = row
    for i in range(left.shape[1]):
        replaced = row[..., :-1] + (left[:, i, None, None] != right).to(torch.int16)
        best = torch.cat([row[..., :1] + 1, torch.minimum(row[..., 1:] + 1, replaced)], -1)
        # An insertion costs 1 a place: min_{k ≤ j} best[k] + (j − k), all j at once.
        row = (best - places).cummin(-1).values + places
        kept = torch.where((left_lengths == i + 1)[:, None, None], row, kept)
    column = right_lengths.expand(len(left), -1)[..., None]
    return kept.gather(-1, column)[..., 0].double()
