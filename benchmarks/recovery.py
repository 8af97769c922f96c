"""Model recovery on simulated neurons: which kind of model wins in which world; writes recovery.json and recovery.png.

Run from the root of the project, after the pipeline:

    python -m benchmarks.recovery        # about half an hour on 2 cores; resumes where it was stopped

In each experiment, units of V1, V4 and AIT are drawn anew in one world (`analysis.simulate.responses.worlds`) and
respond to images of the simulated experiment with central gaze. Four kinds of model predict them, each from the
layer chosen within the training images: pixels, Gabor energy, the category ideal observer, and the networks trained
here, whose layers are pooled. None of them is the teacher of the graded world. The kind with the highest median
noise-corrected r wins if the interval of its score lies above 0 and it differs from every other kind (paired
contrasts, Holm's correction, 5 %); otherwise there is no winner. Further experiments in the graded world vary the
numbers of images, units and recordings.
"""

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from analysis import params as settings
from analysis.core import numerics
from analysis.core.files import atomic, write_text
from analysis.core.parallel import one_thread
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.core.settings import workers
from analysis.models.activations import read as activations
from analysis.simulate.experiment import make_image
from analysis.simulate.responses.neurons import Drive, draw_units
from analysis.simulate.responses.variability import draw_gains, showings
from analysis.simulate.responses.worlds import WORLDS
from analysis.simulate.scenes import draw_scenes
from analysis.simulate.sessions import PLAN, Session, choose_images
from analysis.statistics import Predictions, contrast, group_folds, holm, predictivity_draws, reliability
from analysis.statistics.predictivity.layer_choice import best_layer
from benchmarks.sizes import FIGURES, keep, size

RUNS, DRAWS = size((40, 400), (2, 40))
POWER_RUNS = size(20, 1)
AREAS = ("V1", "V4", "AIT")
KINDS = {
    "pixels": ("pixels",),
    "Gabor energy": ("gabor",),
    "category observer": ("category",),
    "trained networks": ("hmo_report", "simple_cnn", "resnet", "vit"),
}
NONE = "no winner"
BEGUN, MAPS = (FIGURES / f"recovery.partial.{suffix}" for suffix in ("json", "npz"))
WINDOW_S = 0.2
NOISE = {"private": 0.0, "shared": 0.11, "drift": 0.0}
"""As in V4, session 210325 of Cowley et al. (2023): the shared gain that the covariances of 50 units imply."""


@dataclass(frozen=True)
class Design:
    """An experiment: its world and its size."""

    world: str
    images: int = 120
    units: int = 12
    recordings: int = 1
    areas: tuple[str, ...] = AREAS

    @property
    def name(self) -> str:
        """Name under which its results are stored."""
        return f"{self.world}, {self.images} images, {self.units} units, {self.recordings} recordings"


MATRIX = [Design(world) for world in WORLDS]
POWER = [
    Design("graded", images, units, recordings, ("AIT",))
    for images, units, recordings in ((30, 12, 1), (60, 12, 1), (120, 6, 1), (120, 12, 1), (120, 24, 1), (120, 12, 3))
]


@lru_cache(maxsize=1)
def materials():
    """Return parameters, scenes, and by scene the feature maps by kind and the features of each kind of model."""
    values = settings.load()
    scenes = draw_scenes(values.simulate, values.seed)
    truth = pd.read_csv("data/raw/truth/scenes.csv", dtype=str, keep_default_na=False)
    if not MAPS.exists():
        with ProcessPoolExecutor(1) as pool:  # torch, which the teacher loads, does not survive the later fork
            pool.submit(_write_maps, scenes).result()
    with np.load(MAPS) as file:
        maps = {kind: file[kind] for kind in file.files}
    features = {}
    for kind, models in KINDS.items():
        features[kind] = {}
        for model in models:
            for layer in activations.layers(model):
                stems, X = activations.read(model, layer)
                rows = {stem: row for row, stem in enumerate(stems)}
                features[kind][f"{model} {layer}"] = np.array(X)[[rows.get(stem, 0) for stem in truth["stem"]]]
    return values, scenes, maps, features


def _write_maps(scenes: list) -> None:
    """Render the square images, and save their feature maps."""
    full = [make_image(scene, taught=True)[2] if scene.pool == "square" else None for scene in scenes]
    first = next(one for one in full if one)
    stacked = {
        kind: np.stack([one[kind] if one else np.zeros_like(value) for one in full]) for kind, value in first.items()
    }
    MAPS.parent.mkdir(parents=True, exist_ok=True)
    with atomic(MAPS) as part, part.open("wb") as file:
        np.savez(file, **stacked)


def respond(design: Design, area: str, recording: int, run: int):
    """Simulate a recording; return its scenes, the image of each presentation, and rates (n_presentations, n_units)."""
    values, scenes, maps, _ = materials()
    seed = seed_of(values.seed, "recovery", design.name, area, recording, run)
    chosen = values.simulate.model_copy(
        update={"world": design.world, "images_per_recording": design.images, "noise": settings.schema.Noise(**NOISE)}
    )
    session = Session(f"{area}{recording}", PLAN[0].start, (area,), "d", "square", "mixed", PLAN[0].ppd)
    shown = choose_images(session, scenes, chosen, seed_of(values.seed, "recovery", "images", run))
    rng = np.random.default_rng(seed)
    units = draw_units(session, design.units, chosen, rng)
    order = np.repeat(np.arange(len(shown)), showings(chosen, len(shown), seed, session.name))
    gains = draw_gains(chosen.noise, len(order), [unit.name for unit in units], seed)
    here = {kind: value[shown] for kind, value in maps.items()}
    of_images = [scenes[i] for i in shown]
    centre, rates = np.zeros((len(shown), 2)), np.empty((len(order), len(units)))
    for k, unit in enumerate(units):
        drive = Drive(unit, session, here, of_images)
        drive.standardise(drive, np.arange(len(shown)), centre)
        expected = drive.rate(np.arange(len(shown)), centre)[order] * gains[:, k] * WINDOW_S
        rates[:, k] = rng.poisson(expected) / WINDOW_S
    return shown, order, rates


def winner(design: Design, area: str, run: int) -> dict:
    """Return the winner in an area, or `NONE`, and the score of each kind."""
    _, scenes, _, features = materials()
    recordings: dict[str, list[Predictions]] = {kind: [] for kind in KINDS}
    for recording in range(design.recordings):
        shown, order, rates = respond(design, area, recording, run)
        counts = np.bincount(order)[:, None]
        responses = np.stack([np.bincount(order, column) for column in rates.T], axis=1) / counts
        scale = np.sqrt(np.maximum(reliability(rates, order, np.arange(len(order))).value, 0.01))
        groups = np.array([scenes[i].original for i in shown])
        folds = group_folds(groups, 5, seed_of(run, "folds"))[None]
        for kind, layers in features.items():
            found = best_layer({name: X[shown] for name, X in layers.items()}, responses, folds)
            recordings[kind].append(Predictions(responses, found.prediction.predicted, folds, groups, scale))
    draws = {kind: predictivity_draws(found, n_draws=DRAWS, seed=run) for kind, found in recordings.items()}
    best = max(draws, key=lambda kind: draws[kind].estimate)
    others = [contrast(draws[best], draws[kind]).p for kind in KINDS if kind != best]
    clear = draws[best].interval().low > 0 and (holm(np.array(others)) <= 0.05).all()
    return {"winner": best if clear else NONE, "scores": {kind: float(one.estimate) for kind, one in draws.items()}}


def measure(design: Design, run: int) -> dict[str, dict]:
    """Return the winner in each area."""
    with one_thread():
        return {area: winner(design, area, run) for area in design.areas}


def key(design: Design, run: int) -> str:
    """Return the key of an experiment in the file of finished experiments."""
    return f"{design.name}, {'+'.join(design.areas)}, {run}"


def main() -> None:
    """Run the missing experiments, saving each as it ends; summarise and plot all."""
    known = json.loads(BEGUN.read_text(encoding="utf-8")) if BEGUN.exists() else {}
    done = known.get("runs", {}) if known.get("draws") == DRAWS else {}
    materials()
    tasks = [(design, run) for design in MATRIX for run in range(RUNS)]
    tasks += [(design, run) for design in POWER for run in range(POWER_RUNS)]
    with ProcessPoolExecutor(workers()) as pool:
        jobs = {pool.submit(measure, *task): key(*task) for task in tasks if key(*task) not in done}
        for job in track(as_completed(jobs), "experiments", len(jobs)):
            done[jobs[job]] = job.result()
            write_text(BEGUN, json.dumps({"draws": DRAWS, "runs": done}))
    found = {"matrix": _shares(done, MATRIX, RUNS), "power": _shares(done, POWER, POWER_RUNS)}
    keep("recovery", found)
    draw(found)
    for path in (BEGUN, MAPS):
        path.unlink()


def _shares(done: dict, designs: list[Design], runs: int) -> dict:
    """Return, by design and area, the share of experiments that each kind wins, and the mean scores."""
    table: dict = {}
    for design in designs:
        for area in design.areas:
            here = [done[key(design, run)][area] for run in range(runs)]
            table[f"{design.name}, {area}"] = {
                "runs": runs,
                "winners": {kind: float(np.mean([one["winner"] == kind for one in here])) for kind in [*KINDS, NONE]},
                "scores": {kind: float(np.mean([one["scores"][kind] for one in here])) for kind in KINDS},
            }
    return table


def draw(found: dict) -> None:
    """Draw the share of experiments that each kind wins, by world, and by size in the graded world."""
    columns = [*KINDS, NONE]
    figure, axes = plt.subplots(1, len(AREAS) + 1, figsize=(11, 3.6), width_ratios=[1, 1, 1, 1.2], layout="constrained")
    for axis, area in zip(axes, AREAS, strict=False):
        rows = [found["matrix"][f"{design.name}, {area}"]["winners"] for design in MATRIX]
        _matrix(axis, [design.world for design in MATRIX] if area == AREAS[0] else None, rows, columns, area)
    names = [f"{d.images} images, {d.units * d.recordings} units, {d.recordings} rec." for d in POWER]
    rows = [found["power"][f"{design.name}, AIT"]["winners"] for design in POWER]
    _matrix(axes[-1], names, rows, columns, "AIT, graded world, by size")
    figure.savefig(FIGURES / "recovery.png", dpi=150)
    plt.close(figure)


def _matrix(axis, names: list[str] | None, rows: list[dict[str, float]], columns: list[str], title: str) -> None:
    values = np.array([[row[column] for column in columns] for row in rows])
    axis.imshow(values, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for i, j in np.ndindex(values.shape):
        axis.text(
            j, i, f"{values[i, j]:.2f}", ha="center", va="center", color="white" if values[i, j] > 0.6 else "black"
        )
    axis.set(xticks=range(len(columns)), yticks=range(len(rows)) if names else [], title=title)
    axis.set_xticklabels(columns, rotation=35, ha="right")
    if names:
        axis.set_yticklabels(names)


if __name__ == "__main__":
    numerics.restart()
    main()
