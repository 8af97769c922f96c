"""The report's search with and without pruning: what successive halving saves, and what the candidates it keeps lose.

Run from the root of the project (a worker for each core, one thread each; some 40 minutes on two quiet cores):

    python -m benchmarks.halving FOLDER [CANDIDATES]       # writes benchmarks/halving.json

FOLDER keeps what each candidate did, epoch by epoch; one that it holds is not trained again, so a run that was cut goes
on, and FOLDER with at most CANDIDATES of each seed says at once what a smaller search finds.

A candidate trained in rungs is the one trained at once (tests/models), so one training of every candidate to the end,
judged after each epoch, says what each search would choose and what it would cost. The values are those of the default
(`models.hmo_report`) but for the size of the images, the numbers of filters, the batch and the epochs; one of twenty
candidates is kept and there are as many training images as in the report. Each seed draws its split of the images, its
candidates and their weights anew. What is compared with a pruned search is the one that trains all to the same epoch
and keeps those of highest accuracy there, as the report's does.
"""

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from analysis import params
from analysis.compare.inference import student_interval
from analysis.compare.scoring import number
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
from benchmarks.sizes import keep, size

SIZE, FILTERS, BATCH = 24, [8, 16], 32
ENDS = (5, 24)
"""Last epochs: of the report's search, and of the default's."""
SHARE = 20
"""One of so many candidates is kept: ten of the report's 200."""
TRAIN, SELECTION = size((2140, 500), (24, 12))
FACES, OBJECTS, PAREIDOLIA = size((1850, 1650, 200), (30, 24, 6))


@dataclass(frozen=True)
class Study:
    """Searches, all judged on the same candidates.

    Attributes
    ----------
    seeds : range
    candidates : int
        Of each seed.
    searches : dict
        By name, epochs up to each rung, of how many candidates one goes on, and which.
    """

    seeds: range
    candidates: int
    searches: dict[str, dict]


STUDIES = (
    # The first rule was chosen on earlier seeds (38 candidates, 12 epochs). With the first 20 candidates its loss of
    # accuracy could not be told from none; with all 60 it can. The others were added to be compared with it.
    Study(
        range(5, size(10, 7)),
        size(60, 3),
        {
            "24 epochs, pruned": {"epochs": [2, 4, 8, 24], "reduction": 3, "promising": "lowest_loss"},
            "24 epochs, pruned likewise by accuracy": {
                "epochs": [2, 4, 8, 24],
                "reduction": 3,
                "promising": "accuracy",
            },
            "24 epochs, pruned as the default": {"epochs": [6, 24], "reduction": 2, "promising": "accuracy"},
            "5 epochs, pruned": {"epochs": [2, 4, 5], "reduction": 3, "promising": "lowest_loss"},
        },
    ),
    # Rules chosen on the seeds above, and fixed before any candidate of these was judged by them (the last one when
    # half of the seeds were trained): of some hundred about the fastest that lost nothing there (4.1 x, +0.0 +- 1.4
    # points), and of some hundred of 5 x and more the one that lost least (5.4 x, -0.5 +- 1.6 points).
    Study(
        range(10, size(20, 12)),
        size(40, 2),
        {
            "24 epochs, pruned gently": {"epochs": [3, 6, 12, 24], "reduction": 3, "promising": "lowest_loss"},
            "24 epochs, pruned in small steps": {
                "epochs": [2, 3, 4, 6, 10, 24],
                "reduction": 2,
                "promising": "accuracy",
            },
        },
    ),
)
SEARCHES = {name: rule for study in STUDIES for name, rule in study.searches.items()}


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
    train, selection, tests = (Split(x[part], y[part]) for part in rows)
    standardise = Standardise()
    standardise.measure(train.x)
    plan = Plan(ENDS[-1], chosen.batch, chosen.learning_rate, augment=augmenter(chosen.augment))
    values, own = random_module(chosen, seed, "halving", number), seed_of(seed, "halving", number)
    network = first_stage.initial(values, standardise, own).to(memory_format=torch.channels_last)
    tested = {}

    def test(epoch: int, _metrics: dict) -> None:
        if epoch + 1 in ENDS:
            tested[epoch + 1] = float((scores(network, tests.x).argmax(1) == tests.y).double().mean())

    with fixed_threads(1):
        start = time.process_time()
        history = fit(network, train, selection, plan, own, on_epoch=test)
        cpu = (time.process_time() - start) / plan.epochs
    write_text(_kept(folder, place), json.dumps({"history": history, "cpu": cpu, "tested": tested, "values": values}))


def _kept(folder: str, place: tuple[int, int]) -> Path:
    return Path(folder) / "seed{1}-candidate{0}.json".format(*place)


def judge(folder: str, chosen: HMOReport, study: Study) -> tuple[dict, list[dict]]:
    """Return what a study says of each of its searches, and what each reached with each seed, pruned and whole."""
    numbers = {"candidates": study.candidates, "kept": max(1, study.candidates // SHARE)}
    chosen = chosen.model_copy(update=numbers)
    rows = []
    for seed in study.seeds:
        places = [(number, seed) for number in range(study.candidates)]
        found = [json.loads(_kept(folder, place).read_text(encoding="utf-8")) for place in places]
        rows.append(
            {"seed": seed}
            | {
                name: {
                    "pruned": search(found, chosen.model_copy(update=rule)),
                    "whole": search(found, chosen.model_copy(update={"epochs": rule["epochs"][-1:]})),
                }
                for name, rule in study.searches.items()
            }
        )
    return {name: numbers | rule | summary(name, rows) for name, rule in study.searches.items()}, rows


def search(found: list[dict], chosen: HMOReport) -> dict:
    """Return what one search of trained candidates would cost, and the mean test accuracy of those it would keep."""
    spent = {"cpu": 0.0, "epochs": 0}

    def run_rung(numbers: list[int], rung: int, epochs: int) -> dict[int, first_stage.Candidate]:
        more = epochs - (chosen.epochs[rung - 1] if rung else 0)
        spent["cpu"] += sum(found[number]["cpu"] for number in numbers) * more
        spent["epochs"] += len(numbers) * more
        judged = {number: first_stage.judged(found[number]["history"][:epochs]) for number in numbers}
        return {number: first_stage.Candidate(metrics, {}) for number, metrics in judged.items()}

    best = first_stage.successive_halving(chosen, run_rung, "halving")[1]
    tested = [found[number]["tested"][str(chosen.epochs[-1])] for number in best]
    return spent | {"test_accuracy": float(np.mean(tested))}


def mean_and_half_width(differences: list[float]) -> tuple[float, float | None]:
    """Return a mean and half its 95 % interval (Student)."""
    found = student_interval(differences)
    return found.estimate, number(found.high - found.estimate)


def summary(name: str, rows: list[dict]) -> dict:
    """Return what a pruned search saves, and the paired difference in the accuracy of its kept, over seeds."""
    gain, half = mean_and_half_width(
        [row[name]["pruned"]["test_accuracy"] - row[name]["whole"]["test_accuracy"] for row in rows]
    )
    ratios = {
        f"ratio_of_{what}": sum(row[name]["whole"][what] for row in rows)
        / sum(row[name]["pruned"][what] for row in rows)
        for what in ("cpu", "epochs")
    }
    return ratios | {"test_accuracy_difference": gain, "half_width_95": half}


def main(folder: str, most: int | None = None) -> None:
    """Train the candidates of all studies, at most so many of each seed, and write what each search would choose."""
    x, y = images()
    changed = {"size": SIZE, "filters": FILTERS, "batch": BATCH}
    chosen = HMOReport.model_validate(params.load().models.entry("hmo_report").model_dump() | changed)
    studies = [replace(study, candidates=min(study.candidates, most or study.candidates)) for study in STUDIES]
    places = [(number, seed) for study in studies for number in range(study.candidates) for seed in study.seeds]
    missing = [place for place in places if not _kept(folder, place).exists()]
    # Torch and its thread pools do not survive a fork.
    with ProcessPoolExecutor(workers(), multiprocessing.get_context("spawn")) as pool:
        for _ in track(pool.map(partial(train_one, folder, x, y, chosen), missing), "candidates", len(missing)):
            pass
    judged = [judge(folder, chosen, study) for study in studies]
    found = {name: row for searches, _ in judged for name, row in searches.items()}
    numbers = {"training_images": TRAIN, "selection_images": SELECTION, "test_images": len(y) - TRAIN - SELECTION}
    keep("halving", changed | numbers | {"searches": found, "seeds": [row for _, rows in judged for row in rows]})
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
