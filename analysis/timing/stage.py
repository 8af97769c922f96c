"""The stage ``timing``: how well models predict responses in consecutive time bins after fixation onset."""

from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.core import paths
from analysis.core.areas import in_order
from analysis.core.files import as_json, write_csv, write_json
from analysis.core.parallel import map_processes, one_thread
from analysis.core.seeds import seed_of
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import compared_images
from analysis.params import Params
from analysis.params.protocol import PROTOCOLS
from analysis.recordings.read import open_recording, recording_files
from analysis.statistics.predictivity.fixations import PARTS
from analysis.stimuli.read import read_table
from analysis.timing import scores
from analysis.timing.responses import Course, courses

PROTOCOL = "corrected"
OUT = paths.RESULTS / "timing"
WHERE = ["region", "part", "start_ms", "stop_ms"]
BINS = [
    *[*WHERE, "n_images", "n_units", "latency_ms"],
    *["reliability", "reliability_low", "reliability_high", "reliable"],
]
"""``latency_ms``: median over units; ``reliable``: whether the mean reliability exceeds 0 (`scores.reliability`)."""
SCORES = ["model", *WHERE, "r_corrected", "r_corrected_low", "r_corrected_high", "r"]


def run(params: Params) -> None:
    """Write ``results/timing/``: bins.csv (`BINS`), scores.csv (`SCORES`) and summary.json.

    Models predict from their top layer: a layer chosen anew in each bin would change from bin to bin by noise alone.
    Zeroth and later fixations are analysed apart. Before a later fixation the image was already on the screen, so that
    its first bins hold the response to what was fixated on it before; only at image onset does a response begin.

    Raises
    ------
    DataError
        If recordings, rasters or activations are missing or damaged.
    """
    rules, edges = PROTOCOLS[PROTOCOL], params.timing.edges_ms
    table = read_table()
    groups = dict(zip(table["stem"], table["group"], strict=True))
    allowed = set(compared_images(table, rules, params.compare))

    def read(path) -> list[Course]:
        return list(courses(open_recording(path, stable_only=True), rules, allowed, edges))

    measured: dict[tuple[str, str], list[Course]] = {}
    for found in map_processes(read, recording_files(PROTOCOL), "timing: responses"):
        for one in found:
            measured.setdefault((one.population.region, one.part), []).append(one)
    bins = [row for key in _in_order(measured) for row in _describe(*key, measured[key], edges)]
    rows, skipped = [], {}
    for model in params.timing.models:
        if reason := activations.untrained(model):
            skipped[model] = reason
        else:
            rows += [{"model": model} | row for row in _score(params, model, measured, groups, bins)]
    write_csv(OUT / "bins.csv", pd.DataFrame(bins, columns=BINS))
    write_csv(OUT / "scores.csv", pd.DataFrame(rows, columns=SCORES))
    write_json(OUT / "summary.json", as_json({"edges_ms": edges, "skipped": skipped}))


def _in_order(measured: dict[tuple[str, str], list[Course]]) -> list[tuple[str, str]]:
    """Return the keys of `measured` by area and part."""
    areas = in_order(region for region, _ in measured)
    return [(area, part) for area in areas for part in PARTS if (area, part) in measured]


def _describe(region: str, part: str, found: list[Course], edges: list[int]) -> list[dict]:
    """Return the rows of bins.csv for one area and part."""
    units = np.concatenate([one.latency_ms for one in found])
    about = {
        "n_images": len({image for one in found for image in one.population.images}),
        "n_units": len(units),
        "latency_ms": float(np.median(units)),
    }
    return [
        {"region": region, "part": part, "start_ms": start, "stop_ms": stop} | about | scores.reliability(found, number)
        for number, (start, stop) in enumerate(pairwise(edges))
    ]


def _score(params: Params, model: str, measured: dict, groups: dict[str, int], bins: list[dict]) -> list[dict]:
    """Return the rows of scores.csv for a model, without its name."""
    stems, activity = activations.read(model, activations.layers(model)[-1])

    def predict(one: Course) -> scores.PredictedCourse | None:
        rows, seed = scoring.rows_of(one.population, stems), neural.seed_for(params.seed, one.population)
        with one_thread():
            X = np.asarray(activity[rows], np.float64)
            return scores.predict(one, X, groups, PROTOCOLS[PROTOCOL], params.compare, seed)

    every = [one for key in _in_order(measured) for one in measured[key]]
    predicted: dict[tuple[str, str], list[scores.PredictedCourse]] = {}
    for one in map_processes(predict, every, f"timing: {model}"):
        if one is not None:
            predicted.setdefault((one.course.population.region, one.course.part), []).append(one)

    def score(row: dict) -> dict:
        found, number = predicted[row["region"], row["part"]], params.timing.edges_ms.index(row["start_ms"])
        seed = seed_of(params.seed, "timing", row["region"])
        where = {name: row[name] for name in WHERE}
        return where | scores.score(found, number, row["reliable"], params.compare, seed)

    return map_processes(score, [row for row in bins if (row["region"], row["part"]) in predicted])
