"""Images per second of the attribution maps against naive use of captum, on one machine in one run.

    python -m benchmarks.explain            # writes benchmarks/explain.json and prints the table

Naive: one image at a time with captum's default of one perturbation per forward pass, and all threads on each
convolution. Here: images and perturbations share forward passes small enough for the caches, with channels last, and
two networks are explained in parallel with one thread each. Both compute the same maps; the table gives the largest
difference between them as a fraction of the largest value. The network is the report's HMO as in params.yaml, with
initial weights, on random images; speed depends on neither weights nor images.
"""

import platform
import time

import numpy as np
import torch
from captum.attr import Lime, Occlusion

from analysis import params
from analysis.core import numerics
from analysis.core.numerics import THREADS, fixed_threads
from analysis.core.parallel import map_threads
from analysis.explain import attribution, explained_networks
from analysis.explain.superpixels import superpixels
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
    return explained_networks.untrained(made, 0)


def naive(method: str, network: torch.nn.Module, x: torch.Tensor, values: params.Explain) -> np.ndarray:
    """Return the maps computed as in captum's documentation, one image at a time."""
    evidence, size = explained_networks.Evidence(network), x.shape[2]
    window, stride = (max(1, round(share * size)) for share in (values.window, values.stride))
    maps = []
    for image, reference in zip(x.split(1), attribution.blurred(x, values.blur).split(1), strict=True):
        image, reference = image.contiguous(), reference.contiguous()
        if method == "occlusion":
            found = Occlusion(evidence).attribute(image, (3, window, window), (3, stride, stride), reference)[:, 0]
        else:
            segments = torch.from_numpy(superpixels(image[0].numpy(), values.superpixels))[None, None]
            ridge = attribution.SkLearnRidge(alpha=attribution.RIDGE_ALPHA)
            found = Lime(evidence, ridge, attribution.sample_weight, attribution.designed_samples).attribute(
                image, reference, feature_mask=segments, n_samples=len(attribution.design(int(segments.max()) + 1))
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
        few = x[:NAIVE_IMAGES]
        rows = {}
        for method in attribution.METHODS:

            def explain(images: torch.Tensor, method: str = method) -> np.ndarray:
                return attribution.attribute(method, made, images, values.explain)

            ours, maps = seconds(lambda explain=explain: map_threads(explain, [x] * 2))
            slow, plain = seconds(lambda method=method: naive(method, made, few, values.explain))
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
