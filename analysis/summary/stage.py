"""The stage ``summary``: the results of all models as tidy tables, and the numbers of the paper."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.compare.read import TABLES, read_scores
from analysis.core import environment, paths
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import scoring, variation
from analysis.neural.scoring import number
from analysis.params import Params
from analysis.recordings import read
from analysis.statistics.crossval import pearson
from analysis.statistics.rsa import significance
from analysis.stimuli.read import read_missing, read_table
from analysis.summary import example, headline

ACCURACY = ["model", "protocol", "split", "n", "accuracy", "ci_low", "ci_high", "balanced_accuracy"]
VALIDATION = ["recording", "subject", "region", "unit", "ceiling", "explainable"]


def run(params: Params) -> None:
    """Write the tables of all models to ``results/*.csv``, with accuracy, tests and validation, and summary.json.

    Raises
    ------
    DataError
        If the results of a model are missing or incomplete.
    """
    models = params.models.run
    tables = {name: pd.concat([read_scores(model, name) for model in models], ignore_index=True) for name in TABLES}
    tables["accuracy"] = pd.DataFrame([row for model in models for row in _accuracy(model)], columns=ACCURACY)
    tables["validation"] = validation(tables["units"])
    tables["levels"] = levels(models, tables["decoding"])
    tables["tests"] = tests(models, tables["rsa"])
    for name, table in tables.items():
        write_csv(paths.RESULTS / f"{name}.csv", table)
    write_json(paths.RESULTS / environment.FILE, environment.stamp())
    summary = _summary(params, tables)
    write_json(paths.RESULTS / "summary.json", summary)
    headline.write(summary["models"])
    example.write(_rdms(summary["models"]))


LEVELS = ["system", "what", "factor", "level", "measure", "n", "score"]


def levels(models: list[str], decoding: pd.DataFrame) -> pd.DataFrame:
    """Set the networks' own decisions on test images beside those read out of the areas, by level of variation.

    Returns
    -------
    DataFrame of `LEVELS`
        ``what``: ``network`` (its decisions) or ``area`` (of the corrected protocol: mean over recordings of the score
        read out of the population; n is the mean number of images).
    """
    known, rows = neural.read_levels("corrected"), []
    for model in models:
        if activations.untrained(model):
            continue
        said = _predictions(model)
        said = said[(said["split"] == "test") & said["stem"].isin(known.index)]
        labels = said["label"].map({"face": 1, "non-face": 0}).fillna(-1).to_numpy(int)
        if len(said):
            found = variation.scores((said["predicted"] == "face").to_numpy(), labels, known.loc[said["stem"]])
            rows += [{"system": model, "what": "network", **row} for row in found]
    areas = decoding[(decoding["system"] == "population") & (decoding["protocol"] == "corrected")]
    areas = areas.drop_duplicates(["recording", "region", "factor", "level"])  # every model's table holds them
    for (region, factor, level, measure), part in areas.groupby(["region", "factor", "level", "measure"], sort=False):
        row = {"system": region, "what": "area", "factor": factor, "level": level, "measure": measure}
        rows.append(row | {"n": part["n_images"].mean(), "score": part["score"].mean()})
    return pd.DataFrame(rows, columns=LEVELS)


def _predictions(model: str) -> pd.DataFrame:
    path = paths.MODELS / model / "predictions.csv"
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[["stem", "split", "label", "predicted"]]
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage train for {model}") from error
    except KeyError as error:
        raise DataError(f"{path} has no column {error}: run the stage train for {model} again") from error


def tests(models: list[str], rsa: pd.DataFrame) -> pd.DataFrame:
    """Test every layer of every model against every area (`significance.table_of`), all of them together."""
    rows, nulls = [], []
    for model in models:
        path = paths.RESULTS / "compare" / model / "null.npy"
        mine = rsa[rsa["model"] == model]
        if mine.empty:
            continue
        try:
            values = np.load(path, allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError) as error:
            raise DataError(f"{path}: not found or damaged; run the stage compare for {model}") from error
        for place, layer in enumerate(dict.fromkeys(mine["layer"])):
            for a, area in enumerate(AREAS):
                here = mine[(mine["layer"] == layer) & (mine["region"] == area)]
                if len(here):
                    who = {"model": model, "protocol": here["protocol"].iloc[0], "layer": layer, "region": area}
                    n = int(here["rho"].notna().sum())
                    rows.append(who | {"recordings": n, "rho": values[0, place, a]})
                    nulls.append(values[1:, place, a])
    if not rows:
        return pd.DataFrame(columns=significance.COLUMNS)
    if len({len(one) for one in nulls}) > 1:
        raise DataError("models were tested by different numbers of permutations: run the stage compare for all again")
    return significance.table_of(pd.DataFrame(rows), np.stack(nulls, axis=1))


def _json(path: Path, stage: str) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage {stage}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}): run the stage {stage} again") from error


def _accuracy(model: str) -> list[dict]:
    """Return one row per split from the model's metrics."""
    path = paths.MODELS / model / "metrics.json"
    metrics = _json(path, f"train for {model}")
    try:
        return [
            {
                "model": model,
                "protocol": metrics["protocol"],
                "split": split,
                "n": values["n"],
                "accuracy": values["accuracy"],
                "ci_low": values["accuracy_low"],
                "ci_high": values["accuracy_high"],
                "balanced_accuracy": values["balanced_accuracy"],
            }
            for split, values in metrics["splits"].items()
        ]
    except KeyError as error:
        raise DataError(f"{path} has no {error}: run the stage train for {model} again") from error


def validation(units: pd.DataFrame) -> pd.DataFrame:
    """Hold the split-half ceilings of simulated units against the planted truth.

    The planted explainable variance of a unit is the squared correlation over images of its measured mean responses
    with the noise-free means kept beside the simulated data. Those are of the places looked at, in which the halves of
    the presentations differ: ceilings are lower by what gaze adds.

    Parameters
    ----------
    units : DataFrame
        Unit scores of all models, whose ceilings are used; these do not depend on the model.

    Returns
    -------
    DataFrame
        One row per stable unit; empty (with its columns) where there is no truth.
    """
    rows = []
    if paths.TRUTH.is_dir():
        known = units[(units["protocol"] == "corrected") & units["ceiling"].notna()]
        ceilings = dict(zip(known["neuroid_id"], known["ceiling"], strict=True))
        for population in (found.population for found in neural.read("corrected")):
            truth = _truth(population)
            explainable = pearson(population.responses, truth) ** 2
            for unit, neuroid, value in zip(population.units, population.neuroid_ids, explainable, strict=True):
                rows.append(
                    {
                        "recording": population.recording,
                        "subject": population.subject,
                        "region": population.region,
                        "unit": unit,
                        "ceiling": ceilings.get(neuroid, np.nan),
                        "explainable": value,
                    }
                )
    return pd.DataFrame(rows, columns=VALIDATION)


def _truth(population) -> np.ndarray:
    """Return the planted mean response to each image of the population, (n_images, n_units)."""
    path = paths.TRUTH / f"{population.recording}.nc"
    truth = read.open_recording(path)["image_mean"]
    stems, units = truth["image"].values.astype(str), truth["unit"].values.astype(str)
    rows = {stem: row for row, stem in enumerate(stems)}
    columns = {unit: column for column, unit in enumerate(units)}
    try:
        chosen = np.ix_([rows[i] for i in population.images], [columns[u] for u in population.units])
    except KeyError as error:
        raise DataError(f"{path} has no {error}: run the stage acquire again") from error
    return truth.transpose("image", "unit").values[chosen].astype(np.float64)


def _summary(params: Params, tables: dict[str, pd.DataFrame]) -> dict:
    models = {model: _model(params, model, tables) for model in params.models.run}
    return {
        "source": params.acquire.source,
        "missing": _missing(params),
        "data": _data(),
        "models": models,
        "protocols": _protocols(models),
        "validation": _validation(tables["validation"]),
    }


def _rdms(models: dict[str, dict]) -> Path | None:
    """Return the RDMs of the first model compared under the corrected protocol, or None."""
    found = (paths.RESULTS / "compare" / name / "rdms.nc" for name, m in models.items() if m["protocol"] == "corrected")
    return next((path for path in found if path.is_file()), None)


def _missing(params: Params) -> list[str]:
    """Say in a phrase each what was not at hand: images and recordings, and what could not be done without them."""
    lost = read_missing()
    recordings = lost["path"].str.endswith(".nwb")
    phrases = []
    if n := int((~recordings).sum()):
        phrases.append(f"{n} of {n + len(read_table())} images that the recordings show or the archive holds")
    phrases += [f"recording {path}" for path in lost["path"][recordings]]
    phrases += [f"the training of {model}" for model in params.models.run if activations.untrained(model)]
    return phrases


def _model(params: Params, model: str, tables: dict[str, pd.DataFrame]) -> dict:
    entry, layers = params.models.entry(model), activations.layers(model)
    accuracy = tables["accuracy"]
    test = accuracy[(accuracy["model"] == model) & (accuracy["split"] == "test")]
    scores = tables["layers"][tables["layers"]["model"] == model]
    rsa = tables["rsa"][tables["rsa"]["model"] == model]
    areas: dict = {}
    for area in AREAS:
        here = scores[scores["region"] == area]
        if len(here):
            areas[area] = {row.layer: _scores(row, rsa[rsa["region"] == area]) for row in here.itertuples()}
    return {
        "kind": entry.kind,
        "protocol": entry.protocol,
        "layers": layers,
        "top_layer": layers[-1] if layers else None,
        "accuracy": number(test["accuracy"].iloc[0]) if len(test) else None,
        "balanced_accuracy": number(test["balanced_accuracy"].iloc[0]) if len(test) else None,
        "areas": areas,
    }


def _scores(row, rsa: pd.DataFrame) -> dict:
    """Return the numbers of one layer in one area."""
    here = rsa[rsa["layer"] == row.layer]
    return {
        "n_units": int(row.n_units),
        "median_r2": number(row.median_r2),
        "ci_low": number(row.ci_low),
        "ci_high": number(row.ci_high),
        "median_pearson_r": number(row.median_pearson_r),
        "median_ceiling": number(row.median_ceiling),
        "median_ev_normalised": number(row.median_ev_normalised),
        "median_rho": number(scoring.median(here["rho"].to_numpy(float))),
        "recordings": len(here),
    }


def _protocols(models: dict) -> dict:
    """Set the protocols side by side: for each, the first model of a kind that runs under both, in its last area."""
    protocols: dict[str, set] = {}
    for model in models.values():
        protocols.setdefault(model["kind"], set()).add(model["protocol"])
    chosen: dict = {}
    for name, model in models.items():
        if len(protocols[model["kind"]]) > 1 and model["protocol"] not in chosen and model["areas"]:
            area = list(model["areas"])[-1]
            scores = model["areas"][area][model["top_layer"]]
            chosen[model["protocol"]] = {"model": name, "area": area, "accuracy": model["accuracy"], **scores}
    return chosen


def _data() -> dict:
    """Count images, recordings and fixations under the corrected protocol."""
    images = read_table()
    return {
        "images": len(images),
        "faces": int((images["label"] == "face").sum()),
        **neural.read_counts("corrected"),
    }


def _validation(table: pd.DataFrame) -> dict | None:
    """Return how far ceilings lie from the truth, over units where both are defined; None without truth."""
    both = table.dropna(subset=["ceiling", "explainable"])
    if not len(both):
        return None
    gap = (both["ceiling"] - both["explainable"]).to_numpy()
    r = pearson(both[["ceiling"]].to_numpy(), both[["explainable"]].to_numpy())[0]
    return {
        "units": len(both),
        "mean_difference": number(gap.mean()),
        "mean_absolute_difference": number(np.abs(gap).mean()),
        "pearson_r": number(r),
    }
