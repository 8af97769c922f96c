"""The stage ``summary`` for a recorded data set: its results as tidy tables, and recorded.json for the paper."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from analysis.compare.read import CHOSEN, TABLES, read_scores
from analysis.core import environment, paths
from analysis.core.areas import in_order
from analysis.core.files import as_json, sha256, write_csv, write_json
from analysis.core.reading import reading
from analysis.core.seeds import seed_of
from analysis.core.store import code_digest
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import Population, populations
from analysis.params import Params
from analysis.params.protocol import CORRECTED
from analysis.run import ROOT
from analysis.statistics.crossval import TooFewImages, group_folds
from analysis.statistics.predictivity import pls
from analysis.statistics.predictivity.nested import nested_ridge
from analysis.stimuli.read import classes_of, read_images, read_table
from analysis.summary import contrasts, examples, free_viewing, performance
from analysis.summary.stage import accuracy_table, levels_table, tests_table

FILE = "recorded.json"
PROTOCOL = "corrected"
SIDE = 16
"""Side, in pixels, of the grey images for the reference without a model."""
CONTRAST = ["model", "other", "layer", "region", "difference", "low", "high", "p", "p_holm"]


def run(params: Params, dataset: str) -> None:
    """Write the tables of all models to ``results/*.csv``, ``results/recorded.json`` (`describe`) and examples.json.

    Of recordings of free viewing, recorded.json also says what `free_viewing.describe` returns.

    Raises
    ------
    DataError
        If the results of a model are missing or incomplete.
    """
    models = params.models.run
    tables = {name: pd.concat([read_scores(model, name) for model in models], ignore_index=True) for name in TABLES}
    tables["accuracy"] = accuracy_table(models)
    tables["levels"] = levels_table(models, tables["decoding"])
    tables["tests"] = tests_table(models, tables["rsa"])
    tables["contrasts"] = contrasts.contrast_table(params, pairs_of(params))
    for name, table in tables.items():
        write_csv(paths.RESULTS / f"{name}.csv", table)
    found = describe(params, dataset, tables)
    if params.recorded.datasets.entry(dataset).views_freely:
        found |= free_viewing.describe(params)
    write_json(paths.RESULTS / FILE, as_json(found))
    examples.write()


def pairs_of(params: Params) -> list[tuple[str, str]]:
    """Return all pairs of an HMO model and another model, each once."""
    models = params.models.run
    first = [model for model in models if params.models.entry(model).kind in contrasts.FIRST]
    pairs = [(one, other) for one, other in product(first, models) if one != other]
    return [(one, other) for k, (one, other) in enumerate(pairs) if (other, one) not in pairs[:k]]


def describe(params: Params, dataset: str, tables: dict[str, pd.DataFrame]) -> dict:
    """Return the summary of a data set.

    Returns
    -------
    dict
        ``dataset``; ``task``, ``classes``, ``chance`` and ``training`` (see `describe_task`); ``units``, ``images``,
        ``presentations``, ``subjects``, ``regions`` and ``median_reliability`` over all images; ``compared``: images on
        which models are compared; ``reference``: scores without a model (see `reference`); ``models``: by name (see
        `describe_model`); ``contrasts``: rows of `CONTRAST`; ``performance``: by area, whether models that perform the
        task better predict units better (`performance.against_predictivity`, without the ideal observer, which is given
        the labels); ``environment`` and ``hashes`` of data and code. Undefined numbers are None.
    """
    everything, counts = everything_shown(), neural.read_counts(PROTOCOL)
    shown = reference(everything, params)
    measured = {(m.population.recording, m.population.region): m for m in neural.read_populations(PROTOCOL)}
    regions = in_order(one.region for one in everything)
    groups = read_table().set_index("stem")["group"]
    draws = {
        model: dict(contrasts.score_draws(params, model, measured, groups, corrected=False))
        for model in params.models.run
    }
    models = {model: describe_model(params, model, tables, draws[model]) for model in params.models.run}
    accuracy = {
        name: found["balanced_accuracy"]
        for name, found in models.items()
        if found["kind"] != "category" and found["balanced_accuracy"] is not None
    }
    return {
        "dataset": dataset,
        **describe_task(params, dataset),
        "units": counts["units"],
        "subjects": counts["subjects"],
        "images": len({image for one in everything for image in one.images}),
        "presentations": counts["fixations_selected"],
        "regions": {region: sum(len(one.units) for one in everything if one.region == region) for region in regions},
        "median_reliability": shown["median_reliability"],
        "compared": {
            "images": len({image for one in measured.values() for image in one.population.images}),
            "median_reliability": scoring.median(np.concatenate([*(one.ceiling for one in measured.values()), []])),
        },
        "reference": shown,
        "models": models,
        "contrasts": tables["contrasts"][CONTRAST].to_dict("records"),
        "performance": {
            region: performance.against_predictivity(
                accuracy,
                {model: of_model[CHOSEN, region] for model, of_model in draws.items() if (CHOSEN, region) in of_model},
                params.seed,
            )
            for region in regions
        },
        "environment": environment.decisive(environment.stamp(ROOT)),
        "hashes": {"data": _digest_of_data(), "code": code_digest()},
    }


def describe_task(params: Params, dataset: str) -> dict:
    """Return what the models learned.

    Returns
    -------
    dict
        ``task``: face or object; ``classes``: their names; ``chance``: the accuracy of guessing, 1 / classes;
        ``training``: the folder of other images on which models were trained, and how many it holds, or None.
    """
    entry, table = params.recorded.datasets.entry(dataset), read_table()
    used = table[table["split"] != ""]
    classes = classes_of(used["label"])
    other = None if entry.training is None else {"folder": Path(entry.training).name, "images": len(used)}
    return {"task": entry.task, "classes": list(classes), "chance": 1 / len(classes), "training": other}


def describe_model(params: Params, model: str, tables: dict[str, pd.DataFrame], draws: dict) -> dict:
    """Return the scores of one model, given its `contrasts.score_draws`.

    Returns
    -------
    dict
        ``region``: the highest area; for that area, ``layer``, the layer chosen most often within the training images,
        and ``median_r`` of the chosen layers with its interval (for these recordings: images and units are drawn,
        predictions held fixed). ``accuracy`` and ``balanced_accuracy``: on test images, if the model was trained.
        ``layers``: by layer and area, `CHOSEN` included.
    """
    of_model = {name: table[table["model"] == model] for name, table in tables.items() if "model" in table}
    tested = of_model["accuracy"][of_model["accuracy"]["split"] == "test"]
    about = {
        "kind": params.models.entry(model).kind,
        "top_layer": next(iter(activations.layers(model)[::-1]), None),
        **{name: tested[name].iloc[0] if len(tested) else None for name in ("accuracy", "balanced_accuracy")},
        "layers": _layers(of_model["layers"], of_model["rsa"]),
    }
    regions = in_order(region for layer, region in draws if layer == CHOSEN)
    if not regions:
        return about | dict.fromkeys(("region", "layer", "median_r", "median_r_low", "median_r_high"))
    interval, chosen = draws[CHOSEN, regions[-1]].interval(), of_model["best"]
    chosen = chosen[chosen["region"] == regions[-1]]["layers"]
    return about | {
        "region": regions[-1],
        "layer": chosen.iloc[0].partition(":")[0] if len(chosen) else None,
        "median_r": interval.estimate,
        "median_r_low": interval.low,
        "median_r_high": interval.high,
    }


def _layers(layers: pd.DataFrame, rsa: pd.DataFrame) -> dict:
    """Return the scores by layer and area."""
    out: dict = {}
    for row in layers.itertuples():
        rho = rsa[(rsa["layer"] == row.layer) & (rsa["region"] == row.region)]["rho"]
        out.setdefault(row.layer, {})[row.region] = {
            "median_r": row.r,
            "r_corrected": row.r_corrected,
            "r_corrected_low": row.r_corrected_low,
            "r_corrected_high": row.r_corrected_high,
            "rho": scoring.median(rho.to_numpy(float)),
        }
    return out


def everything_shown() -> list[Population]:
    """Return the populations over all images shown, including those used to train models."""
    return list(populations(PROTOCOL, CORRECTED, set(read_table()["stem"])))


def _digest_of_data() -> str:
    manifest = paths.RAW / "manifest.json"
    with reading(manifest, "run the stage acquire for this data set"):
        return sha256(manifest)


def reference(everything: list[Population], params: Params) -> dict:
    """Return the scores of a data set that need no model, over all its images.

    Parameters
    ----------
    everything : list of Population
        Populations over all images shown.
    params : Params

    Returns
    -------
    dict
        ``images``; ``median_reliability`` of the units; ``pixels_median_r``: median over units of the cross-validated
        r of ridge regression from `SIDE` x `SIDE` grey pixels.
    """
    table = read_table().set_index("stem")
    pixels = pd.DataFrame(grey_pixels(read_images()), index=table.index)
    reliability, scores = [], []
    for one in everything:
        reliability.append(scoring.unit_ceilings(one))
        groups = table["group"].loc[list(one.images)].to_numpy()
        seed = seed_of(params.seed, "reference", one.recording, one.region)
        try:
            folds = group_folds(groups, params.compare.folds, seed)
            predicted = nested_ridge(pixels.loc[list(one.images)].to_numpy(), one.responses, folds).predicted
        except TooFewImages:
            continue
        scores.append(pls.score(one.responses, predicted[None], folds[None]).pearson_r)
    return {
        "images": len({image for one in everything for image in one.images}),
        "median_reliability": scoring.median(np.concatenate([*reliability, []])),
        "pixels_side": SIDE,
        "pixels_median_r": scoring.median(np.concatenate([*scores, []])),
    }


def grey_pixels(images: np.ndarray) -> np.ndarray:
    """Return images, uint8 (n, 3, size, size), as `SIDE` x `SIDE` grey levels, (n, SIDE ** 2) from 0 to 255."""
    small = [
        Image.fromarray(image.transpose(1, 2, 0)).convert("L").convert("F").resize((SIDE, SIDE), Image.Resampling.BOX)
        for image in images
    ]
    return np.stack([np.asarray(image, np.float64).ravel() for image in small])
