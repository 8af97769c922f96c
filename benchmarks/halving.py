"""The report's search with and without pruning: what successive halving saves, and what the candidates it keeps lose.

Run from the root of the project (a worker for each core, one thread each; some 12 minutes on two quiet cores):

    python -m benchmarks.halving FOLDER [CANDIDATES [SEEDS]]       # writes benchmarks/halving.json

FOLDER keeps what each candidate did, epoch by epoch; one that it holds is not trained again, so a run that was cut goes
on, and FOLDER with fewer CANDIDATES says at once what a smaller search finds.

A candidate trained in rungs is the one trained at once (tests/models), so one training of every candidate to the end,
judged after each epoch, says what each search would choose and what it would cost. The values are those of the default
(`models.hmo_report`) but for the size of the images, the numbers of filters and the epochs. The images are drawn as the
embedded experiment draws its own, but more of them: on the few of the default candidates stay near chance at this size,
where one choice is as good as another. Each seed draws its split of the images, its candidates and their weights anew.
"""

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import t

from analysis import params
from analysis.files import write_text
from analysis.models import first_stage
from analysis.models.augment import augmenter
from analysis.models.kinds import HMOReport
from analysis.models.network import Standardise
from analysis.models.random_cnn import random_module
from analysis.models.training import Plan, Split, fit, scores
from analysis.runtime import fixed_threads, seed_of, track, workers
from analysis.simulate.render import render
from analysis.simulate.scenes import draw_scenes
from analysis.stimuli.images import pad

OUT = Path(__file__).with_suffix(".json")
SIZE, FILTERS, EPOCHS = 24, [8, 16], 16
SHARE = 12
"""One of so many candidates is kept: ten of 128."""
TRAIN, SELECTION = 600, 300
FACES, OBJECTS, PAREIDOLIA = 900, 800, 100
RUNGS = {
    "halved from the first epoch": [1, 2, 4, 8, 16],
    "halved from the second": [2, 4, 8, 16],
    "pruned as the default": [4, 16],
}
"""Epochs at which the better half goes on, chosen before any was measured."""


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of a larger experiment, uint8, and whether each shows a face; no near-duplicates."""
    sizes = {"faces": FACES, "objects": OBJECTS, "pareidolia": PAREIDOLIA, "unlabelled": 4}
    scenes = draw_scenes(params.load().simulate.model_copy(update=sizes), seed=7)
    scenes = [scene for scene in scenes if scene.annotated and scene.original == scene.index]
    x = np.stack([pad(Image.fromarray(render(scene)[0]), SIZE) for scene in scenes])
    return torch.from_numpy(x), torch.tensor(
        [scene.category not in ("object", "pareidolia") for scene in scenes]
    ).long()


def train_one(folder: str, x: torch.Tensor, y: torch.Tensor, chosen: HMOReport, place: tuple[int, int]) -> None:
    """Train one candidate of one seed with one thread; keep its history, processor seconds per epoch, test accuracy."""
    number, seed = place
    left = len(y) - TRAIN - SELECTION
    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed)).split([TRAIN, SELECTION, left])
    train, selection, test = (Split(x[part], y[part]) for part in rows)
    standardise = Standardise()
    standardise.measure(train.x)
    plan = Plan(EPOCHS, chosen.batch, chosen.learning_rate, augment=augmenter(chosen.augment))
    values, own = random_module(chosen, seed, "halving", number), seed_of(seed, "halving", number)
    network = first_stage.initial(values, standardise, own).to(memory_format=torch.channels_last)
    with fixed_threads(1):
        start = time.process_time()
        history = fit(network, train, selection, plan, own)
        cpu = (time.process_time() - start) / EPOCHS
        tested = float((scores(network, test.x).argmax(1) == test.y).double().mean())
    write_text(_kept(folder, place), json.dumps({"history": history, "cpu": cpu, "tested": tested, "values": values}))


def _kept(folder: str, place: tuple[int, int]) -> Path:
    return Path(folder) / "seed{1}-candidate{0}.json".format(*place)


def searches(found: list[dict], chosen: HMOReport) -> dict:
    """Return what each search of a seed's candidates chooses, reaches on the test and costs."""
    tested = [one["tested"] for one in found]
    return {name: _search(found, chosen, rungs) for name, rungs in ({"whole": [EPOCHS]} | RUNGS).items()} | {
        "all": {"test_accuracy": float(np.mean(tested)), "best": max(tested)}
    }


def _search(found: list[dict], chosen: HMOReport, rungs: list[int]) -> dict:
    spent = {"cpu": 0.0, "epochs": 0}

    def run_rung(numbers: list[int], rung: int, epochs: int):
        more = epochs - (rungs[rung - 1] if rung else 0)
        spent["cpu"] += sum(found[number]["cpu"] for number in numbers) * more
        spent["epochs"] += len(numbers) * more
        return {number: first_stage.Candidate(found[number]["history"][epochs - 1], {}) for number in numbers}

    values = chosen.model_copy(update={"epochs": rungs})
    best = first_stage.successive_halving(values, run_rung, "halving")[1]
    return spent | {"test_accuracy": float(np.mean([found[number]["tested"] for number in best]))}


def summary(rows: list[dict]) -> dict:
    """Return what each pruned search saves, and the paired difference in the accuracy of its kept, over seeds."""
    found = {}
    for name in RUNGS:
        gain = np.array([row[name]["test_accuracy"] - row["whole"]["test_accuracy"] for row in rows])
        half = float(t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else None
        found[name] = {
            f"ratio_of_{what}": sum(row["whole"][what] for row in rows) / sum(row[name][what] for row in rows)
            for what in ("cpu", "epochs")
        } | {"rungs": RUNGS[name], "test_accuracy_difference": float(gain.mean()), "half_width_95": half}
    return found


def main(folder: str, candidates: int = 128, seeds: int = 5) -> None:
    """Train the candidates of all seeds and write what each search would have chosen."""
    x, y = images()
    changed = {
        "size": SIZE,
        "filters": FILTERS,
        "candidates": candidates,
        "kept": candidates // SHARE,
        "epochs": [EPOCHS],
    }
    chosen = HMOReport.model_validate(params.load().models.entry("hmo_report").model_dump() | changed)
    places = [(number, seed) for number in range(candidates) for seed in range(seeds)]
    missing = [place for place in places if not _kept(folder, place).exists()]
    # Torch and its thread pools do not survive a fork.
    with ProcessPoolExecutor(workers(), multiprocessing.get_context("spawn")) as pool:
        for _ in track(pool.map(partial(train_one, folder, x, y, chosen), missing), "candidates", len(missing)):
            pass
    found = {place: json.loads(_kept(folder, place).read_text(encoding="utf-8")) for place in places}
    rows = [searches([found[number, seed] for number in range(candidates)], chosen) for seed in range(seeds)]
    numbers = {"training_images": TRAIN, "selection_images": SELECTION, "test_images": len(y) - TRAIN - SELECTION}
    write_text(OUT, json.dumps(changed | numbers | {"searches": summary(rows), "seeds": rows}, indent=1) + "\n")
    print(json.dumps(summary(rows), indent=1))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
