"""The report's search and HMO (2014) at full size on a GPU, and how GPU results compare with the processor's.

Run from the root of the project; each piece writes to benchmarks/gpu.json:

    NNN_DEVICE=cuda python -m benchmarks.gpu report      # the report's HMO
    NNN_DEVICE=cuda python -m benchmarks.gpu hmo         # HMO (2014); without NNN_DEVICE on the processor (18 minutes)
    python -m benchmarks.gpu scores HERE THERE           # the same candidates trained on the processor and on a GPU
    python -m benchmarks.gpu cost                        # what the report's search would take on two processors

There are as many images as in the report, from a larger simulated experiment. HERE and THERE are folders that
benchmarks/halving.py has filled on the processor and on the GPU.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import ks_2samp
from torch.utils.flop_counter import FlopCounterMode

from analysis import params
from analysis.core import environment, numerics, settings
from analysis.core.numerics import fixed_threads
from analysis.models.data import Examples
from analysis.models.network import Standardise
from analysis.models.registry import Job
from analysis.models.report_hmo import first_layer
from analysis.models.report_hmo import network as report_hmo
from analysis.models.report_hmo.random_cnn import random_module
from analysis.models.train.training import scores
from analysis.models.yamins_hmo import procedure as hmo
from analysis.neural.scoring import number
from benchmarks import halving, models, sizes
from benchmarks.sizes import size

IMAGES, PIXELS = size((2140, 112), (60, 16))
FACES, OBJECTS = size((1150, 1000), (50, 40))
"""Slightly more than `IMAGES`, because near-duplicates are dropped."""
CANDIDATES = size(200, 3)
LAST = str(halving.ENDS[-1])
TRAIN, SELECTION = 0.6, 0.15
"""Shares of the images for HMO (2014); the report trains on 0.8 and selects on the rest."""


def examples(selection: str) -> Examples:
    """Return the labelled images, split as in the report (which selects on test images) or with a validation split."""
    x, y = halving.images(PIXELS, FACES, OBJECTS)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[:IMAGES]
    place = np.arange(len(order)) / len(order)
    ends = (0.8, 0.8) if selection == "test" else (TRAIN, TRAIN + SELECTION)
    split = np.select([place < ends[0], place < ends[1]], ["train", "validation"], "test")
    category = np.where(y[order].numpy() == 1, "face", "object")
    table = pd.DataFrame({"group": np.arange(len(order)), "annotated": True, "category": category})
    return Examples(x[order].numpy(), table, y[order].numpy().astype(np.int8), split, selection, {})


def timed(function) -> tuple[float, object]:
    """Return the seconds of a call, including the work that it started on the device, and its result."""
    start, result = time.perf_counter(), function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def test_accuracy(network, found: Examples) -> float:
    """Return the accuracy on the test images."""
    rows, device = found.rows("test"), settings.device()
    logits = scores(network.to(device), torch.from_numpy(found.images[rows]).to(device))
    return float((logits.argmax(1).cpu().numpy() == found.label[rows]).mean())


def report() -> dict:
    """Time the report's HMO with its own parameters: the first-layer search, and the rest."""
    found = examples("test")
    own = {"size": PIXELS, "final_epochs": 5, "copies": 1, "modules": size(10, 2)}
    chosen = models.entry(candidates=CANDIDATES, kept=min(10, CANDIDATES), **own)
    with tempfile.TemporaryDirectory() as folder, fixed_threads():
        os.environ["NNN_STORE"] = folder
        job = Job("benchmark", chosen, found, 1, settings.device(), Path(folder), lambda *_: None, {})
        searched, (tried, kept) = timed(lambda: first_layer.find(job, *report_hmo.images_of(job)))
        rest, fitted = timed(lambda: report_hmo.fit(job))  # finds the search finished
    reached = [candidate.metrics["accuracy"] for candidate in tried.values() if "failed" not in candidate.metrics]
    return about(found) | {
        "candidates": CANDIDATES,
        "epochs": chosen.epochs[-1],
        "batch": chosen.batch,
        "failed": CANDIDATES - len(reached),
        "seconds": {"search": searched, "upper stages": rest},
        "accuracy_of_kept": [tried[number].metrics["accuracy"] for number in kept],
        "median_accuracy": float(np.median(reached)),
        "test_accuracy": test_accuracy(fitted.network, found),
    }


def hmo_2014() -> dict:
    """Time HMO (2014) with the default parameters, at full size."""
    found = examples("validation")
    chosen = params.load().models.entry("hmo").model_copy(update={"size": PIXELS, **size({}, {"grid": 2})})
    n = chosen.first.modules * chosen.first.candidates + chosen.second.modules * chosen.second.candidates
    with tempfile.TemporaryDirectory() as folder, fixed_threads():
        job = Job("benchmark", chosen, found, 1, settings.device(), Path(folder), lambda *_: None, {})
        seconds, fitted = timed(lambda: hmo.fit(job))
    return about(found) | {
        "candidates": n,
        "seconds": seconds,
        "rounds": fitted.notes["rounds"],
        "test_accuracy": test_accuracy(fitted.network, found),
    }


def about(found: Examples) -> dict:
    """Return device, software, peak memory and sizes of a finished measurement."""
    stamp = environment.stamp()
    used = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return {name: stamp[name] for name in ("device", "cuda", "driver", "torch", "cpu")} | {
        "gigabytes_of_device": round(used / 1e9, 1),
        "workers": settings.workers(),
        "images": len(found.label),
        "pixels": found.images.shape[-1],
        "splits": {name: len(found.rows(name)) for name in ("train", "validation", "test")},
    }


def agreement(here: str, there: str) -> dict:
    """Compare the test accuracies of the candidates that were trained on both devices from the same initial weights."""
    names = sorted(
        {path.name for path in Path(here).glob("*.json")} & {path.name for path in Path(there).glob("*.json")}
    )
    own, other = (
        np.array([json.loads((Path(folder) / name).read_text())["tested"][LAST] for name in names])
        for folder in (here, there)
    )
    difference, half = halving.mean_and_half_width(list(other - own))
    return {
        "candidates": len(names),
        "epochs": int(LAST),
        "processor": float(own.mean()),
        "device": float(other.mean()),
        "difference": difference,
        "half_width_95": half,
        "sd": float(np.std(other - own, ddof=1)),
        "correlation": number(np.corrcoef(own, other)[0, 1]),
        "ks_p": float(ks_2samp(own, other).pvalue),
    }


def cost() -> dict:
    """Return how long the report's search would take on the processors of benchmarks/models.json, without running it.

    The operations of all candidates, counted on one image each, over the rate that parallel training reached there.
    """
    own = {"size": PIXELS, "final_epochs": 5, "copies": 1}
    chosen, of_one = models.entry(candidates=CANDIDATES, kept=min(10, CANDIDATES), **own), []
    image = torch.zeros((1, 3, PIXELS, PIXELS))
    for candidate in range(CANDIDATES):
        values = random_module(chosen, 1, "candidate", candidate)
        network = first_layer.initial(values, Standardise(), candidate)
        with FlopCounterMode(display=False) as forward, torch.no_grad():
            network(image)
        with FlopCounterMode(display=False) as both:
            network(image).sum().backward()
        of_one.append((both.get_total_flops(), forward.get_total_flops()))
    training, selection = (int(share * IMAGES) for share in (0.8, 0.2))
    operations = chosen.epochs[-1] * sum(training * step + selection * check for step, check in of_one)
    speed = json.loads((sizes.HERE / "models.json").read_text(encoding="utf-8"))["speed"]
    rate = speed["gflops_of_matrix_product"] / speed["times_the_floor"]["side by side, float32"]
    return {
        "images": IMAGES,
        "pixels": PIXELS,
        "candidates": CANDIDATES,
        "epochs": chosen.epochs[-1],
        "gflop": operations / 1e9,
        "gflops_measured": rate,
        "hours": operations / 1e9 / rate / 3600,
    }


PIECES = {"report": report, "hmo": hmo_2014, "scores": agreement, "cost": cost}


def main(piece: str, *words: str) -> None:
    """Run one piece and write its results."""
    found = PIECES[piece](*words)
    sizes.keep_piece("gpu", f"{piece} on the processor" if found.get("device") == "cpu" else piece, found)


if __name__ == "__main__":
    numerics.restart()
    main(*sys.argv[1:])
