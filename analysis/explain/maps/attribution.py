"""Attribution maps by four methods of captum: how much each pixel contributes to the evidence for a face.

All maps explain `opened_networks.Evidence`; removed parts of an image are replaced by the grey of the screen. Images
and their perturbations share forward passes of `IMAGES_PER_PASS`.
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
from analysis.explain.opened_networks import Evidence, LayerNotOpened, open_last_maps
from analysis.models.network import Network
from analysis.params import Explain
from analysis.stimuli.images import GREY

IMAGES_PER_PASS = 16
"""More would not fit in the caches of a CPU."""
ABSENT = GREY / 255
"""Value of removed pixels."""
KERNEL_WIDTH = 0.25
"""Of the sample weights in LIME, as in the code of Ribeiro et al. (2016)."""
RIDGE_ALPHA = 0.01
"""Penalty of the ridge regression in LIME."""


@dataclass(frozen=True)
class Job:
    """One network and the images to explain.

    Attributes
    ----------
    network : Network
    x : float tensor (n, 3, size, size), 0 to 1
    values : Explain
    seed : int
        Of LIME's samples; they are drawn per image, so that a map does not depend on the other images.
    names : sequence of str, n
        Names of the images, part of the seed.
    segments : int tensor (n, size, size)
        Superpixel of each pixel (`segment`).
    """

    network: Network
    x: torch.Tensor
    values: Explain
    seed: int
    names: list[str]
    segments: torch.Tensor


def segment(x: torch.Tensor, values: Explain) -> torch.Tensor:
    """Return the superpixel of each pixel of images (n, 3, size, size), (n, size, size) int."""
    return torch.from_numpy(np.stack([superpixels(image, values.superpixels) for image in x.cpu().numpy()]))


def grad_cam(job: Job) -> torch.Tensor:
    """Return Grad-CAM maps (Selvaraju et al. 2017) of the deepest layer with maps, resized, (n, size, size) >= 0."""
    opened = open_last_maps(job.network, job.x[:1])
    method = LayerGradCam(Evidence(opened), opened.tap)
    # Gradients must be requested for the input, since the weights are frozen.
    maps = [
        method.attribute(batch.clone().requires_grad_(), relu_attributions=True).detach()
        for batch in job.x.split(IMAGES_PER_PASS)
    ]
    return LayerAttribution.interpolate(torch.cat(maps), job.x.shape[2:], "bilinear")[:, 0]


def integrated_gradients(job: Job) -> torch.Tensor:
    """Return integrated gradients (Sundararajan et al. 2017) from grey, summed over colours, (n, size, size)."""
    method = IntegratedGradients(Evidence(job.network))
    maps = [
        method.attribute(batch, ABSENT, n_steps=job.values.gradient_steps, internal_batch_size=IMAGES_PER_PASS)
        for batch in job.x.split(IMAGES_PER_PASS)
    ]
    return torch.cat(maps).sum(1).detach()


def occlusion(job: Job) -> torch.Tensor:
    """Return occlusion maps (Zeiler & Fergus 2014): mean drop in evidence over grey squares, (n, size, size)."""
    size = job.x.shape[2]
    window, stride = (max(1, round(share * size)) for share in (job.values.window, job.values.stride))
    squares_per_pass = 4
    method = Occlusion(Evidence(job.network))
    with torch.no_grad():
        maps = [
            method.attribute(
                batch, (3, window, window), (3, stride, stride), ABSENT, perturbations_per_eval=squares_per_pass
            )
            for batch in job.x.split(IMAGES_PER_PASS // squares_per_pass)
        ]
    return torch.cat(maps)[:, 0]


def lime(job: Job) -> torch.Tensor:
    """Return LIME maps (Ribeiro et al. 2016): ridge weights of the superpixels that are kept, (n, size, size)."""
    generator = torch.Generator()
    method = Lime(
        Evidence(job.network), SkLearnRidge(alpha=RIDGE_ALPHA), sample_weight, partial(draw_kept_superpixels, generator)
    )
    maps = torch.empty(len(job.x), *job.x.shape[2:])
    for k, (image, name, mask) in enumerate(zip(job.x, job.names, job.segments, strict=True)):
        generator.manual_seed(seed_of(job.seed, "lime", name))
        with torch.no_grad():
            weights = method.attribute(
                image[None],
                ABSENT,
                feature_mask=mask[None, None].to(image.device),
                n_samples=job.values.samples,
                perturbations_per_eval=IMAGES_PER_PASS,
                return_input_shape=False,
            )
        maps[k] = weights[0].cpu()[mask]
    return maps


def draw_kept_superpixels(generator: torch.Generator, original, *, num_interp_features: int, **_) -> torch.Tensor:
    """Draw which superpixels are kept, each with probability one half, (1, n_superpixels) of 0 and 1."""
    half = torch.full((1, num_interp_features), 0.5)
    return torch.bernoulli(half, generator=generator).long().to(original.device)


def sample_weight(original, perturbed, kept, **_) -> float:
    """Return the weight of a sample, a Gaussian of the cosine distance of `kept` (1, n_superpixels) from all ones."""
    distance = 1 - sqrt(kept.float().mean())
    return float(torch.exp(-(distance**2) / KERNEL_WIDTH**2))


METHODS: dict[str, Callable[[Job], torch.Tensor]] = {
    "gradcam": grad_cam,
    "gradients": integrated_gradients,
    "occlusion": occlusion,
    "lime": lime,
}


def attribute(method: str, job: Job) -> np.ndarray:
    """Return the maps of a method, float32 (n, size, size); larger values are more evidence for a face.

    Raises
    ------
    DataError
        If the method cannot explain this network (see `reason_unavailable`).
    """
    if reason := reason_unavailable(method, job.network, job.x[:1]):
        raise DataError(reason)
    return METHODS[method](job).to("cpu", torch.float32).numpy()


NOT_IMAGES = "its inputs are not images"


def are_images(inputs: torch.Tensor) -> bool:
    """Return whether the inputs of a model are colour images, (n, 3, height, width)."""
    return inputs.ndim == 4 and inputs.shape[1] == 3


def reason_unavailable(method: str, network: nn.Module, example: torch.Tensor) -> str | None:
    """Return why a method cannot explain a network; None if it can.

    Raises
    ------
    DataError
        If there is no such method.
    """
    if method not in METHODS:
        raise DataError(f"no attribution method {method!r}; choose one of {', '.join(METHODS)}")
    if not are_images(example):
        return NOT_IMAGES
    if method == "gradcam":
        try:
            open_last_maps(network, example)
        except LayerNotOpened as error:
            return str(error)
    if method in ("gradcam", "gradients"):
        output = Evidence(network)(example.clone().requires_grad_())
        if not output.requires_grad:
            return "no gradient reaches the image"
    return None
