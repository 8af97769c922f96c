"""Images per second of the attribution maps against captum used naively, on one machine in one run.

    python -m benchmarks.explain            # writes benchmarks/explain.json and prints the table

Naively: one image at a time with captum's default of one perturbation per forward pass, and all threads on each
convolution. Here: images and perturbations share forward passes small enough for the caches, with channels last, and
two networks are explained side by side with one thread each. Both compute the same maps; the table gives the largest
difference between them as a share of the largest value. The network is the report's HMO as in params.yaml, with initial
weights, on random images; speed depends on neither weights nor images.
"""

import platform
import time

import numpy as np
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Lime, Occlusion

from analysis import params
from analysis.core import numerics
from analysis.core.numerics import THREADS, fixed_threads
from analysis.core.parallel import map_threads
from analysis.explain import opened_networks
from analysis.explain.maps import attribution
from analysis.models.report_hmo import network as report_hmo
from analysis.models.report_hmo.random_cnn import random_module
from benchmarks.sizes import keep, size

IMAGES, NAIVE_IMAGES = size((8, 2), (2, 1))
"""Naive maps are timed on fewer images; the time is proportional to their number."""


def network(values: params.Params) -> torch.nn.Module:
    """Return the report's HMO with initial weights."""
    entry = values.models.entry("hmo_report")
    cnns = {
        layer: [random_module(entry, values.seed, layer, number) for number in range(entry.modules)]
        for layer in report_hmo.LAYERS
    }
    made = report_hmo.build({"size": entry.size, "grid": entry.grid, "top": entry.top, "cnns": cnns})
    return opened_networks.untrained(made, 0)


def naive(method: str, job: attribution.Job) -> np.ndarray:
    """Return the maps computed as in captum's documentation, one image at a time."""
    evidence, size = opened_networks.Evidence(job.network), job.x.shape[2]
    window, stride = (max(1, round(share * size)) for share in (job.values.window, job.values.stride))
    absent, maps = attribution.ABSENT, []
    for image, name, segments in zip(job.x, job.names, job.segments, strict=True):
        x = image[None].contiguous()
        if method == "gradcam":
            opened = opened_networks.open_last_maps(job.network, x)
            found = LayerGradCam(opened_networks.Evidence(opened), opened.tap).attribute(
                x.requires_grad_(), relu_attributions=True
            )
            found = LayerAttribution.interpolate(found, (size, size), "bilinear")
        elif method == "gradients":
            found = IntegratedGradients(evidence).attribute(x, absent, n_steps=job.values.gradient_steps).sum(1)
        elif method == "occlusion":
            found = Occlusion(evidence).attribute(x, (3, window, window), (3, stride, stride), absent)[:, 0]
        else:
            generator = torch.Generator().manual_seed(attribution.seed_of(job.seed, "lime", name))
            draw = attribution.partial(attribution.draw_kept_superpixels, generator)
            ridge = attribution.SkLearnRidge(alpha=attribution.RIDGE_ALPHA)
            found = Lime(evidence, ridge, attribution.sample_weight, draw).attribute(
                x, absent, feature_mask=segments[None, None], n_samples=job.values.samples
            )[:, 0]
        maps.append(found.detach().reshape(size, size).numpy())
    return np.stack(maps)


def seconds(function) -> tuple[float, object]:
    """Return the wall time and the result of one call."""
    start = time.perf_counter()
    found = function()
    return time.perf_counter() - start, found


def main() -> None:
    """Time all methods; write and print the table."""
    values = params.load()
    with fixed_threads():
        made = network(values)
        x = torch.rand(IMAGES, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        x = x.contiguous(memory_format=torch.channels_last)
        names = [str(number) for number in range(IMAGES)]
        segments = attribution.segment(x, values.explain)
        whole = attribution.Job(made, x, values.explain, 0, names, segments)
        few = attribution.Job(made, x[:NAIVE_IMAGES], values.explain, 0, names[:NAIVE_IMAGES], segments[:NAIVE_IMAGES])
        attribution.attribute("gradcam", few)
        rows = {}
        for method in attribution.METHODS:
            ours, maps = seconds(lambda m=method: map_threads(lambda job: attribution.attribute(m, job), [whole] * 2))
            slow, plain = seconds(lambda m=method: naive(m, few))
            largest = max(np.abs(plain).max(), np.finfo(plain.dtype).tiny)  # a map may be zero everywhere
            gap = float(np.abs(plain - maps[0][:NAIVE_IMAGES]).max() / largest)
            rows[method] = {
                "images_per_second": 2 * IMAGES / ours,
                "naive_images_per_second": NAIVE_IMAGES / slow,
                "ratio": 2 * IMAGES / ours * slow / NAIVE_IMAGES,
                "difference": gap,
            }
            one = rows[method]
            print(
                f"{method:10s} {one['images_per_second']:7.2f} images/s, naive {one['naive_images_per_second']:6.2f}, "
                f"ratio {one['ratio']:.1f}, difference {gap:.1e}",
                flush=True,
            )
    about = {"machine": platform.processor() or platform.machine(), "threads": THREADS, "images": IMAGES}
    keep("explain", about | {"methods": rows})


if __name__ == "__main__":
    numerics.restart()
    main()
