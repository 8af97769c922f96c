"""Attribution maps: how much each pixel speaks for a face, by four methods of captum.

Every map explains the evidence for a face (`networks.Evidence`); what is taken away is replaced by the grey of the
screen. Perturbations and images share forward passes of `BATCH` rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Lime, Occlusion
from torch import nn

from analysis.errors import DataError
from analysis.explain.networks import Evidence, Opened, last_maps
from analysis.explain.superpixels import superpixels
from analysis.models.network import Network
from analysis.params import Explain
from analysis.runtime import seed_of
from analysis.stimuli.images import GREY

BATCH = 64
"""Rows of one forward pass."""
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
    """

    network: Network
    x: torch.Tensor
    values: Explain
    seed: int
    names: list[str]


def grad_cam(job: Job) -> torch.Tensor:
    """Grad-CAM (Selvaraju et al. 2017) at the deepest layer with maps, resized to the image: (n, size, size) >= 0."""
    layer = last_maps(job.network, job.x[:1])
    opened = Opened(job.network, layer, job.x[:1])
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
    at_once = max(1, BATCH // 16)
    method = Occlusion(Evidence(job.network))
    with torch.no_grad():
        maps = [
            method.attribute(part, (3, window, window), (3, stride, stride), ABSENT, perturbations_per_eval=at_once)
            for part in job.x.split(BATCH // at_once)
        ]
    return torch.cat(maps)[:, 0]


def lime(job: Job) -> torch.Tensor:
    """LIME (Ribeiro et al. 2016) over superpixels: weights of a local ridge regression on what is left of the image."""
    method = Lime(Evidence(job.network), SkLearnRidge(alpha=PENALTY), _closeness)
    maps = torch.empty(len(job.x), *job.x.shape[2:])
    for k, (image, name) in enumerate(zip(job.x, job.names, strict=True)):
        mask = torch.from_numpy(superpixels(image.cpu().numpy(), job.values.superpixels))
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(job.seed, "lime", name))
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


def _closeness(original, perturbed, kept, **_) -> float:
    """Weight of a sample: a Gaussian of the cosine distance from what is kept, (1, superpixels) of 0 and 1, to all."""
    distance = 1 - kept.float().mean().sqrt()
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


def unavailable(method: str, network: nn.Module, example: torch.Tensor) -> str | None:
    """Return why a network cannot be explained by a method, or None if it can."""
    if method not in METHODS:
        raise DataError(f"no attribution {method!r}; there are {', '.join(METHODS)}")
    if example.ndim != 4 or example.shape[1] != 3:
        return "its inputs are not images"
    if method == "gradcam":
        layer = last_maps(network, example)
        if layer is None:
            return "no layer has maps"
        try:
            Opened(network, layer, example)
        except DataError as error:
            return str(error)
    if method in ("gradcam", "gradients"):
        output = Evidence(network)(example.clone().requires_grad_())
        if not output.requires_grad:
            return "no gradient reaches the image"
    return None
