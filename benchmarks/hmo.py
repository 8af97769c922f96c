"""Speed of the HMO search: candidates per minute, how their cost scales, and the distance to the arithmetic floor.

Run from the root of the project:

    python -m benchmarks.hmo            # writes benchmarks/hmo.json and prints the table

Scaling is in processor time, which other programs on the machine affect less; `load_average` says how many were
running. Candidates are drawn at random from the default search space (`models.hmo`), the same for every row, on random
images, since image content does not affect the cost. The floor is the time in which a matrix product performs as many
operations as the filters alone (thresholds, pooling, normalisation and read-out count as nothing).
"""

import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
import torch
from torch.utils.flop_counter import FlopCounterMode

from analysis import params
from analysis.core import numerics, settings
from analysis.core.numerics import fixed_threads
from analysis.core.parallel import map_threads
from analysis.models.yamins_hmo import boosting
from analysis.models.yamins_hmo import space as hmo_space
from analysis.models.yamins_hmo.ask_tell import Told, minimise
from analysis.models.yamins_hmo.layers import Module
from analysis.models.yamins_hmo.network import maps_of
from analysis.models.yamins_hmo.screening import Screening
from benchmarks.sizes import keep, size

CANDIDATES = size(12, 2)
IMAGES, SIZE, FILTERS = size((240, 64, 1), (30, 64, 1))
"""Sizes of the first row; the other rows change one of them."""
GROWTH = {
    "half the images": {"images": IMAGES // 2},
    "twice the images": {"images": 2 * IMAGES},
    "half the side": {"size": SIZE // 2},
    "1.5 times the side": {"size": SIZE * 3 // 2},
    "twice the filters": {"filters": 2},
}


def drawn(entry, filters: int) -> list[dict]:
    """Return the hyperparameters of the candidates, with `filters` times the default numbers of filters."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    made = [hmo_space.module(study.ask(), entry.n_filt, entry.k_filt) for _ in range(CANDIDATES)]
    for module in made:
        for layer in module["layers"]:
            layer["n_filt"] *= filters
    return made


def judge_all(values: list[dict], x: torch.Tensor, screening: Screening, grid: int) -> tuple[float, float]:
    """Evaluate all candidates in parallel; return wall and processor seconds."""
    weights = boosting.balanced(screening.y)

    def judge(number: int) -> float:
        maps = maps_of(Module(3, values[number]).draw(number), x, grid)
        return boosting.weighted_error(weights, screening.y, screening.decisions(maps, weights))

    start, cpu = time.perf_counter(), time.process_time()
    map_threads(judge, range(len(values)), settings.workers())
    return time.perf_counter() - start, time.process_time() - cpu


def line(entry, images: int = IMAGES, size: int = SIZE, filters: int = FILTERS) -> dict:
    """Time one row of the table."""
    x = torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    label = np.arange(images) % 2
    screening = Screening.of(label, np.arange(images), entry.folds, entry.C, 0)
    values = drawn(entry, filters)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        for number, one in enumerate(values):
            Module(3, one).draw(number)(x[:1].float())
    gflop = counted.get_total_flops() * images / 1e9
    judge_all(values[:2], x, screening, entry.grid)
    seconds, cpu = judge_all(values, x, screening, entry.grid)
    return {
        "images": images,
        "size": size,
        "filters": filters,
        "seconds": round(seconds, 2),
        "cpu": round(cpu, 2),
        "candidates_per_minute": round(60 * len(values) / seconds, 1),
        "gflop_of_filters": round(gflop, 1),
    }


def product_gflops(n: int = size(1536, 256), runs: int = 5) -> float:
    """Return the summed rate of single-threaded float32 matrix products on all workers at once."""
    a = torch.rand(n, n)

    def multiply(_) -> float:
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
        return 2 * n**3 / min(times) / 1e9

    return sum(map_threads(multiply, range(settings.workers()), settings.workers()))


def ask_tell_ms(entry) -> float:
    """Return the milliseconds per candidate for asking, telling and the journal."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        minimise(
            lambda trial: hmo_space.module(trial, entry.n_filt, entry.k_filt),
            lambda asked: [Told(number % 5 / 5) for number, _ in asked],
            candidates=16,
            batch=entry.batch,
            sampler="tpe",
            seed=0,
            journal=Path(folder) / "journal",
        )
        return (time.perf_counter() - start) / 16 * 1e3


def main() -> None:
    """Time everything, print it, and write ``benchmarks/hmo.json``."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    entry = params.load().models.entry("hmo")
    with fixed_threads():
        rate = product_gflops()
        base = line(entry)
        rows = {"default": base} | {name: line(entry, **changed) for name, changed in GROWTH.items()}
        overhead = ask_tell_ms(entry)
    for name, row in rows.items():
        row["times_the_default"] = round(row["cpu"] / base["cpu"], 2)
        row["times_the_floor"] = round(row["seconds"] / (row["gflop_of_filters"] / rate), 1)
        print(
            f"{name:20s} {row['candidates_per_minute']:7.1f} candidates per minute, {row['times_the_default']:.2f} x "
            f"the default, {row['times_the_floor']:.1f} x the floor"
        )
    print(f"matrix product {rate:.0f} GFLOP/s; asking and telling {overhead:.0f} ms for a candidate")
    keep(
        "hmo",
        {
            "rows": rows,
            "matrix_product_gflops": round(rate, 1),
            "ask_tell_ms": round(overhead, 1),
            "workers": settings.workers(),
            "load_average": os.getloadavg()[0],
            "machine": [platform.machine(), torch.backends.cpu.get_cpu_capability()],
            "torch": torch.__version__,
        },
    )


if __name__ == "__main__":
    numerics.restart()
    main()
