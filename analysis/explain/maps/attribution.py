"""Attribution maps: how much each pixel speaks for a face, by four methods of captum.

Every map explains the evidence for a face (`networks.Evidence`); what is taken away is replaced by the grey of the
screen. Perturbations and images share forward passes of `BATCH` rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Lime, Occlusion
from torch import nn

from analysis.core.errors import DataError
from analysis.core.exact import sqrt
from analysis.core.seeds import seed_of
from analysis.explain.maps.superpixels import superpixels
from analysis.explain.opened_networks import Evidence, open_last_maps
from analysis.models.network import Network
from analysis.params import Explain
from analysis.stimuli.images import GREY

BATCH = 16
"""Rows of one forward pass: more leave the caches of a CPU."""
ABSENT = GREY / 255
"""What stands where a part of the image is taken away."""
KERNEL_WIDTH = 0.25
"""Of LIME's weights, as Ribeiro et al. (2016) published their code."""
PENALTY = 0.01
"""Of LIME's ridge regression."""


@dataclass(frozen=True)
class Job:
    """One network and the images to explain.

    Attributes
    ----------
    network : Network
    x : float tensor (n, 3, size, size), 0 to 1
    values : Explain
    seed : int
        LIME draws from it, an image at a time: the map of an image does not depend on the others.
    names : sequence of str, n
        Names of the images, for the seed.
    pieces : int tensor (n, size, size)
        Superpixel of each pixel (`cut`).
    """

    network: Network
    x: torch.Tensor
    values: Explain
    seed: int
    names: list[str]
    pieces: torch.Tensor


def cut(x: torch.Tensor, values: Explain) -> torch.Tensor:
    """Return the superpixels of images (n, 3, size, size), (n, size, size) int."""
    return torch.from_numpy(np.stack([superpixels(image, values.superpixels) for image in x.cpu().numpy()]))


def grad_cam(job: Job) -> torch.Tensor:
    """Grad-CAM (Selvaraju et al. 2017) at the deepest layer with maps, resized to the image: (n, size, size) >= 0."""
    opened = open_last_maps(job.network, job.x[:1])
    method = LayerGradCam(Evidence(opened), opened.tap)
    # The input asks for gradients, since the weights do not.
    maps = [
        method.attribute(part.clone().requires_grad_(), relu_attributions=True).detach() for part in job.x.split(BATCH)
    ]
    return LayerAttribution.interpolate(torch.cat(maps), job.x.shape[2:], "bilinear")[:, 0]


def integrated_gradients(job: Job) -> torch.Tensor:
    """Integrated gradients (Sundararajan et al. 2017) from grey, Gauss-Legendre steps, summed over colours."""
    method = IntegratedGradients(Evidence(job.network))
    maps = [
        method.attribute(part, ABSENT, n_steps=job.values.gradient_steps, internal_batch_size=BATCH)
        for part in job.x.split(BATCH)
    ]
    return torch.cat(maps).sum(1).detach()


def occlusion(job: Job) -> torch.Tensor:
    """Occlusion (Zeiler & Fergus 2014): fall of the evidence when a square is grey, averaged over the squares."""
    size = job.x.shape[2]
    window, stride = (max(1, round(share * size)) for share in (job.values.window, job.values.stride))
    at_once = 4
    method = Occlusion(Evidence(job.network))
    with torch.no_grad():
        maps = [
            method.attribute(part, (3, window, window), (3, stride, stride), ABSENT, perturbations_per_eval=at_once)
            for part in job.x.split(BATCH // at_once)
        ]
    return torch.cat(maps)[:, 0]


def lime(job: Job) -> torch.Tensor:
    """LIME (Ribeiro et al. 2016) over superpixels: weights of a local ridge regression on what is left of the image."""
    generator = torch.Generator()
    method = Lime(Evidence(job.network), SkLearnRidge(alpha=PENALTY), _closeness, partial(_some, generator))
    maps = torch.empty(len(job.x), *job.x.shape[2:])
    for k, (image, name, mask) in enumerate(zip(job.x, job.names, job.pieces, strict=True)):
        generator.manual_seed(seed_of(job.seed, "lime", name))
        with torch.no_grad():
            weights = method.attribute(
                image[None],
                ABSENT,
                feature_mask=mask[None, None].to(image.device),
                n_samples=job.values.samples,
                perturbations_per_eval=BATCH,
                return_input_shape=False,
            )
        maps[k] = weights[0].cpu()[mask]
    return maps


def _some(generator: torch.Generator, original, *, num_interp_features: int, **_) -> torch.Tensor:
    """Draw which superpixels stay, (1, superpixels) of 0 and 1, each with probability one half."""
    half = torch.full((1, num_interp_features), 0.5)
    return torch.bernoulli(half, generator=generator).long().to(original.device)


def _closeness(original, perturbed, kept, **_) -> float:
    """Weight of a sample: a Gaussian of the cosine distance from what is kept, (1, superpixels) of 0 and 1, to all."""
    distance = 1 - sqrt(kept.float().mean())
    return float(torch.exp(-(distance**2) / KERNEL_WIDTH**2))


METHODS: dict[str, Callable[[Job], torch.Tensor]] = {
    "gradcam": grad_cam,
    "gradients": integrated_gradients,
    "occlusion": occlusion,
    "lime": lime,
}


def attribute(method: str, job: Job) -> np.ndarray:
    """Return the maps of a method, float32 (n, size, size); larger speaks more for a face.

    Raises
    ------
    DataError
        If the network cannot be explained by this method (`unavailable` says so beforehand).
    """
    if reason := unavailable(method, job.network, job.x[:1]):
        raise DataError(reason)
    return METHODS[method](job).to("cpu", torch.float32).numpy()


NOT_IMAGES = "its inputs are not images"


def are_images(inputs: torch.Tensor) -> bool:
    """Say whether inputs of a model are colour images, (n, 3, height, width)."""
    return inputs.ndim == 4 and inputs.shape[1] == 3


def unavailable(method: str, network: nn.Module, example: torch.Tensor) -> str | None:
    """Return why a network cannot be explained by a method, or None if it can."""
    if method not in METHODS:
        raise DataError(f"no attribution {method!r}; there are {', '.join(METHODS)}")
    if not are_images(example):
        return NOT_IMAGES
    if method == "gradcam":
        try:
            open_last_maps(network, example)
        except DataError as error:
            return str(error)
    if method in ("gradcam", "gradients"):
        output = Evidence(network)(example.clone().requires_grad_())
        if not output.requires_grad:
            return "no gradient reaches the image"
    return None
