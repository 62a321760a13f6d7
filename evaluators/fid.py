"""FID: Fréchet distance in the feature space of Inception-v3 (Heusel et al. 2017), with a network of the user's.

The network is a TorchScript file: called with uint8 images [N, 3, H, W] and `return_features=True` it resizes them
itself and gives features [N, 2048], as NVIDIA's published `inception-2015-12-05.pt` does. No such file comes with the
suite. Generated images are clamped to [0, 1] and rounded to 8 bits first, like the real ones.
"""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
from torch import Tensor

from evaluators.base import Context, Measure, Source
from evaluators.frechet import Moments, cross_measure, frechet, joint_measure


def inception_distance(context: Context) -> dict[str, Measure]:
    """`fid_joint` and `fid_cross`, defined like `fd_joint` and `fd_cross` but for their features.

    Raises:
        ValueError: the context has no Inception file, it cannot be loaded, or a modality is not an RGB image.
    """
    if context.inception is None:
        raise ValueError("FID needs the weights of an Inception network: name a TorchScript file with --inception")
    if wrong := [m.name for m in context.method.modalities.values() if m.shape[0] != 3 or len(m.shape) != 3]:
        raise ValueError(f"FID is defined for RGB images, which {', '.join(wrong)} are not")
    try:
        network = torch.jit.load(str(context.inception), map_location=context.labels.device).eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{context.inception} is no TorchScript file that can be loaded ({reason})") from error

    def moments(source: Source) -> dict[str, Moments]:
        parts = [{name: _moments(network, x) for name, x in images.items()} for _, images in context.images([source])]
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


@torch.no_grad()
def _moments(network: torch.jit.ScriptModule, images: Tensor, batch_size: int = 250) -> Moments:
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return reduce(add, (Moments.of(network(part, return_features=True)) for part in pixels.split(batch_size)))
