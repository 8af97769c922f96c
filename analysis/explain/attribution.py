"""Attribution maps: how much each part of an image contributes to the evidence for a face.

Both methods replace parts of the image with the same parts of a blurred copy and measure the evidence
(`explained_networks.Evidence`). Neither draws random numbers, so a map depends only on the image and the network.
Uniform grey is no suitable replacement, since a network may itself classify grey as a face.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import Lime, Occlusion
from scipy.linalg import hadamard
from scipy.ndimage import gaussian_filter

from analysis.core.errors import DataError
from analysis.core.exact import sqrt
from analysis.explain.explained_networks import Evidence
from analysis.explain.superpixels import superpixels
from analysis.models.network import Network
from analysis.params import Explain

IMAGES_PER_PASS = 16
"""Number of images per forward pass; more would not fit into the caches of a CPU."""
KERNEL_WIDTH = 0.25
"""Kernel width of the sample weights in LIME, as in the code of Ribeiro et al. (2016)."""
RIDGE_ALPHA = 0.01
"""Penalty of the ridge regression in LIME."""
NOT_IMAGES = "its inputs are not images"


def are_images(inputs: torch.Tensor) -> bool:
    """Return whether the inputs of a model are colour images, (n, 3, height, width)."""
    return inputs.ndim == 4 and inputs.shape[1] == 3


def as_floats(x: torch.Tensor, rows: np.ndarray, device: str) -> torch.Tensor:
    """Return the inputs `rows` as float32 from 0 to 1 on the device, channels last."""
    return (x[torch.from_numpy(rows)].to(device).float() / 255).contiguous(memory_format=torch.channels_last)


def blurred(x: torch.Tensor, blur: float) -> torch.Tensor:
    """Return images (n, 3, size, size) after a Gaussian blur whose SD is `blur` times their side."""
    sd = blur * x.shape[2]
    smooth = torch.from_numpy(gaussian_filter(x.cpu().numpy(), (0, 0, sd, sd)))
    return smooth.to(x.device).contiguous(memory_format=torch.channels_last)


def occlusion(network: Network, x: torch.Tensor, values: Explain) -> torch.Tensor:
    """Return occlusion maps (Zeiler & Fergus 2014): mean drop in evidence when squares are blurred, (n, size, size)."""
    size = x.shape[2]
    window, stride = (max(1, round(share * size)) for share in (values.window, values.stride))
    squares_per_pass = 4
    method = Occlusion(Evidence(network))
    batches = zip(
        *(part.split(IMAGES_PER_PASS // squares_per_pass) for part in (x, blurred(x, values.blur))), strict=True
    )
    with torch.no_grad():
        maps = [
            method.attribute(
                batch, (3, window, window), (3, stride, stride), reference, perturbations_per_eval=squares_per_pass
            )
            for batch, reference in batches
        ]
    return torch.cat(maps)[:, 0]


def lime(network: Network, x: torch.Tensor, values: Explain) -> torch.Tensor:
    """Return LIME maps (Ribeiro et al. 2016): ridge weights of the superpixels that are kept, (n, size, size).

    The samples follow a two-level factorial design (`designed_samples`) and are not random.
    """
    method = Lime(Evidence(network), SkLearnRidge(alpha=RIDGE_ALPHA), sample_weight, designed_samples)
    maps = torch.empty(len(x), *x.shape[2:])
    for k, (image, reference) in enumerate(zip(x, blurred(x, values.blur), strict=True)):
        segments = torch.from_numpy(superpixels(image.cpu().numpy(), values.superpixels))
        with torch.no_grad():
            weights = method.attribute(
                image[None],
                reference[None],
                feature_mask=segments[None, None].to(image.device),
                n_samples=len(design(int(segments.max()) + 1)),
                perturbations_per_eval=IMAGES_PER_PASS,
                return_input_shape=False,
            )
        maps[k] = weights[0].cpu()[segments]
    return maps


def design(n_factors: int) -> np.ndarray:
    """Return a two-level design with orthogonal main effects, (n_samples, n_factors) of 0 and 1.

    The rows are those of a Hadamard matrix and their complements (Plackett & Burman 1946, folded over), so that no main
    effect is confounded with a two-factor interaction. `n_samples` is twice the power of two above `n_factors`.
    """
    order = 2 ** int(n_factors).bit_length()
    kept = hadamard(order)[:, 1 : n_factors + 1] > 0  # the first column is constant
    return np.concatenate([kept, ~kept]).astype(np.int64)


def designed_samples(original: torch.Tensor, *, num_interp_features: int, **_) -> Iterator[torch.Tensor]:
    """Yield which superpixels each sample keeps, (1, n_superpixels) of 0 and 1."""
    for row in design(num_interp_features):
        yield torch.from_numpy(row[None]).to(original.device)


def sample_weight(original, perturbed, kept, **_) -> float:
    """Return the weight of a sample, a Gaussian of the cosine distance of `kept` (1, n_superpixels) from all ones."""
    distance = 1 - sqrt(kept.float().mean())
    return float(torch.exp(-(distance**2) / KERNEL_WIDTH**2))


METHODS: dict[str, Callable[[Network, torch.Tensor, Explain], torch.Tensor]] = {"lime": lime, "occlusion": occlusion}


def attribute(method: str, network: Network, x: torch.Tensor, values: Explain) -> np.ndarray:
    """Return the maps of a method, float32 (n, size, size); larger values mean more evidence for a face.

    Parameters
    ----------
    method : {"lime", "occlusion"}
    network : Network
    x : float tensor (n, 3, size, size), 0 to 1
    values : Explain

    Raises
    ------
    DataError
        If there is no such method, or the inputs are not images.
    """
    if method not in METHODS:
        raise DataError(f"no attribution method {method!r}; choose one of {', '.join(METHODS)}")
    if not are_images(x):
        raise DataError(NOT_IMAGES)
    return METHODS[method](network, x, values).to("cpu", torch.float32).numpy()
