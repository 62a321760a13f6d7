"""FID: Fréchet distance in the feature space of Inception-v3 (Heusel et al. 2017), with a network of the user's.

The network is a TorchScript file: called with uint8 images [N, 3, H, W] and `return_features=True` it resizes them
itself and gives features [N, 2048], as NVIDIA's published `inception-2015-12-05.pt` does. No such file comes with the
suite. Generated images are clamped to [0, 1] and rounded to 8 bits first, like the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import torch
from torch import Tensor

from evaluators.base import Evaluator, Measures
from evaluators.context import Context, Source
from evaluators.frechet import Moments, cross_measure, frechet, joint_measure, too_few


@dataclass(frozen=True)
class FIDSettings:
    """The network is a file of the user's."""

    inception: str = ""  # the TorchScript file of the network


class InceptionDistance(Evaluator):
    """FID of prior samples and of cross generation, for RGB images, with an Inception network of the user's."""

    depends_on = frozenset({"prior", "decoder", "posterior"})
    Settings = FIDSettings

    def applies(self, context: Context) -> str | None:
        wrong = [m.name for m in context.method.modalities.values() if m.kind != "image" or m.shape[0] != 3]
        return f"FID is defined for RGB images, which {', '.join(wrong)} are not" if wrong else too_few(context)

    def __call__(self, context: Context, settings: FIDSettings) -> Measures:
        """`fid_joint` and `fid_cross`, defined like `fd_joint` and `fd_cross` but for their features.

        Raises ValueError for a missing file, or one that cannot be loaded.
        """
        network = load_inception(settings.inception, context.device)

        def moments(source: Source) -> dict[str, Moments]:
            parts = [{name: _moments(network, x) for name, x in items.items()} for _, items in context.items([source])]
            return {name: reduce(add, (part[name] for part in parts)) for name in parts[0]}

        real, prior = moments("real"), moments("prior")
        distances = {name: frechet(prior[name], real[name]) for name in real}
        rows = []
        for source in real:
            generated = moments((source,))
            rows.append([frechet(generated[target], real[target]) for target in real])
        return {
            "fid_joint": joint_measure(distances, context, "Inception features"),
            "fid_cross": cross_measure(rows, context, "Inception features"),
        }


def load_inception(name: str, device: torch.device) -> torch.jit.ScriptModule:
    """Raises ValueError for a missing file, or one that cannot be loaded."""
    if not name or not Path(name).is_file():
        raise ValueError(
            f"fid needs a TorchScript Inception network, and evaluators.fid.inception={name!r} is no file: set it, or "
            "take frechet and frechet-cross, which use the classifiers' features"
        )
    try:
        network: torch.jit.ScriptModule = torch.jit.load(name, map_location=device)
        return network.eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name} is no TorchScript file that can be loaded ({reason})") from error


@torch.no_grad()
def _moments(network: torch.jit.ScriptModule, images: Tensor, batch_size: int = 250) -> Moments:
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return reduce(add, (Moments.of(network(part, return_features=True)) for part in pixels.split(batch_size)))
