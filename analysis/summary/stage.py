"""The stage ``summary``: the results of all models as tidy tables, and the numbers of the paper."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.compare import predictions
from analysis.compare.read import TABLES, read_scores, scored_areas
from analysis.core import environment, paths
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json
from analysis.core.reading import damaged, read_npy
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import scoring, variation
from analysis.neural.populations import Population
from analysis.neural.scoring import number
from analysis.params import Params
from analysis.recordings import netcdf
from analysis.recordings.read import read_truth, recording_files
from analysis.seeds.read import read_seeds
from analysis.statistics.crossval import pearson
from analysis.statistics.rsa import significance
from analysis.stimuli.read import classes_of, read_missing, read_table
from analysis.summary import contrasts, example, headline, seeds

ACCURACY = ["model", "protocol", "split", "n", "accuracy", "ci_low", "ci_high", "balanced_accuracy"]
VALIDATION = ["recording", "subject", "region", "unit", "ceiling", "explainable", "drifting"]
SCORES = ["r_corrected", "r_corrected_low", "r_corrected_high", "r2", "r2_low", "r2_high", "above_chance", "ceiling"]
TRAINING = "the training of"
"""Begins the phrase for a model that could not be trained."""
LEVELS = ["system", "what", "factor", "level", "measure", "n", "score"]


def run(params: Params) -> None:
    """Write the tables of all models to ``results/*.csv``, with accuracy, tests and validation, and summary.json.

    Raises
    ------
    DataError
        If the results of a model are missing or incomplete.
    """
    models = params.models.run
    _check_inputs(params)
    tables = {name: pd.concat([read_scores(model, name) for model in models], ignore_index=True) for name in TABLES}
    seed_values = pd.concat([read_seeds(model) for model in models], ignore_index=True)
    tables["accuracy"] = accuracy_table(models)
    tables["validation"] = validation_table(tables["units"])
    tables["levels"] = levels_table(models, tables["decoding"])
    tables["tests"] = tests_table(models, tables["rsa"])
    tables["contrasts"] = contrasts.contrast_table(params, contrasts.pairs_of_kinds(params))
    tables["seed_values"] = seed_values
    tables["seeds"] = seeds.summarise(tables["seed_values"])
    tables["seed_contrasts"] = seeds.contrasts_over_seeds(tables["contrasts"], tables["seed_values"])
    for name, table in tables.items():
        write_csv(paths.RESULTS / f"{name}.csv", table)
    write_json(paths.RESULTS / environment.FILE, environment.stamp())
    summary = _summarise(params, tables)
    write_json(paths.RESULTS / "summary.json", summary)
    headline.write(summary["models"])
    example.write(_rdms(summary["models"]))


def accuracy_table(models: list[str]) -> pd.DataFrame:
    """Return the accuracies of all models, a row per split (`ACCURACY`)."""
    return pd.DataFrame([row for model in models for row in _accuracy_rows(model)], columns=ACCURACY)


def _check_inputs(params: Params) -> None:
    """Read the inputs used last, so that a damaged file is found before anything is computed."""
    list_missing(params)
    _count_data()
    neural.read_levels("corrected")
    recording_files("corrected")
    corrected: list[Path] = []
    for model in params.models.run:
        activations.layers(model)
        predictions.read(model)
        if (rdms := paths.RESULTS / "compare" / model / "rdms.nc").is_file():
            netcdf.check_whole(rdms, f"run the stage compare for {model}")
            corrected += [rdms] if params.models.entry(model).protocol == "corrected" else []
        if not activations.untrained(model):
            activations.read_predictions(model)
    if corrected:
        example.check_rasters(corrected[0])  # the one that is shown (`_rdms`)


def levels_table(models: list[str], decoding: pd.DataFrame) -> pd.DataFrame:
    """Compare the networks' decisions on test images with those decoded from the areas, by level of variation.

    Returns
    -------
    DataFrame of `LEVELS`
        ``what``: ``network`` (its decisions) or ``area`` (under the corrected protocol: mean over recordings of the
        score decoded from the population; n is the mean number of images).
    """
    levels, rows = neural.read_levels("corrected"), []
    for model in models:
        if activations.untrained(model):
            continue
        decided = activations.read_predictions(model)
        decided = decided[(decided["split"] == "test") & decided["stem"].isin(levels.index)]
        classes = classes_of(decided["label"][decided["label"] != ""])
        numbers = {name: number for number, name in enumerate(classes)}
        labels, called = (decided[name].map(numbers).fillna(-1).to_numpy(int) for name in ("label", "predicted"))
        if len(decided):
            scores = variation.score_levels(called, labels, levels.loc[decided["stem"]], len(classes))
            rows += [{"system": model, "what": "network", **row} for row in scores]
    areas = decoding[(decoding["system"] == "population") & (decoding["protocol"] == "corrected")]
    areas = areas.drop_duplicates(["recording", "region", "factor", "level"])  # repeated in every model's table
    for (region, factor, level, measure), recordings in areas.groupby(
        ["region", "factor", "level", "measure"], sort=False
    ):
        row = {"system": region, "what": "area", "factor": factor, "level": level, "measure": measure}
        rows.append(row | {"n": recordings["n_images"].mean(), "score": recordings["score"].mean()})
    return pd.DataFrame(rows, columns=LEVELS)


def tests_table(models: list[str], rsa: pd.DataFrame) -> pd.DataFrame:
    """Test every layer of every model against every area, corrected for all of them (`significance.add_p_values`)."""
    rows, nulls = [], []
    for model in models:
        of_model = rsa[rsa["model"] == model]
        if of_model.empty:
            continue
        layers, areas = list(dict.fromkeys(of_model["layer"])), scored_areas(rsa["region"])
        correlations = _read_null(model, len(layers), len(areas))
        for k, layer in enumerate(layers):
            for a, area in enumerate(areas):
                recordings = of_model[(of_model["layer"] == layer) & (of_model["region"] == area)]
                if len(recordings):
                    rows.append(
                        {
                            "model": model,
                            "protocol": recordings["protocol"].iloc[0],
                            "layer": layer,
                            "region": area,
                            "recordings": int(recordings["rho"].notna().sum()),
                            "rho": correlations[0, k, a],
                        }
                    )
                    nulls.append(correlations[1:, k, a])
    if not rows:
        return pd.DataFrame(columns=significance.COLUMNS)
    if len(set(map(len, nulls))) > 1:
        raise DataError("models have different numbers of permutations: rerun the stage compare for all models")
    return significance.add_p_values(pd.DataFrame(rows), np.stack(nulls, axis=1))


def _read_null(model: str, n_layers: int, n_areas: int) -> np.ndarray:
    """Return RDM correlations, observed and under permutations, (1 + n_permutations, n_layers, n_areas)."""
    path, again = paths.RESULTS / "compare" / model / "null.npy", f"run the stage compare for {model}"
    null = read_npy(path, again, 3)
    if len(null) < 2 or null.shape[1:] != (n_layers, n_areas):
        raise damaged(path, f"shape {null.shape} for {n_layers} layers and {n_areas} areas", again)
    return null


def _accuracy_rows(model: str) -> list[dict]:
    """Return a row per split from the model's metrics."""
    metrics = activations.read_metrics(model)
    return [
        {
            "model": model,
            "protocol": metrics["protocol"],
            "split": split,
            "n": scores["n"],
            "accuracy": scores["accuracy"],
            "ci_low": scores["accuracy_low"],
            "ci_high": scores["accuracy_high"],
            "balanced_accuracy": scores["balanced_accuracy"],
        }
        for split, scores in metrics["splits"].items()
    ]


def validation_table(units: pd.DataFrame) -> pd.DataFrame:
    """Compare the reliability of simulated units with the planted truth.

    The planted explainable variance of a unit is the squared correlation over images of its mean responses with the
    noise-free means stored with the simulated data. The latter are averaged over fixated locations, which differ
    between presentations, so ceilings are lower by the variance due to gaze.

    Parameters
    ----------
    units : DataFrame
        Unit scores of all models; their ceilings do not depend on the model.

    Returns
    -------
    DataFrame
        One row per stable unit; empty (with its columns) if there is no truth. ``drifting``: the planted rate changes
        in the middle of the session, but too little for the unit to count as unstable.
    """
    rows = []
    if paths.TRUTH.is_dir():
        known = units[(units["protocol"] == "corrected") & units["ceiling"].notna()]
        ceilings = dict(zip(known["neuroid_id"], known["ceiling"], strict=True))
        for measured in neural.read_populations("corrected"):
            population = measured.population
            truth, drifting = _read_truth(population)
            explainable = pearson(population.responses, truth) ** 2
            units_here = zip(population.units, population.neuroid_ids, explainable, drifting, strict=True)
            for unit, neuroid, variance, drifts in units_here:
                rows.append(
                    {
                        "recording": population.recording,
                        "subject": population.subject,
                        "region": population.region,
                        "unit": unit,
                        "ceiling": ceilings.get(neuroid, np.nan),
                        "explainable": variance,
                        "drifting": drifts,
                    }
                )
    return pd.DataFrame(rows, columns=VALIDATION)


def _read_truth(population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Return the planted mean responses to the population's images, (n_images, n_units), and which units drift."""
    path = paths.TRUTH / f"{population.recording}.nc"
    truth = read_truth(path)["image_mean"]
    stems, units = truth["image"].values.astype(str), truth["unit"].values.astype(str)
    rows = {stem: row for row, stem in enumerate(stems)}
    columns = {unit: column for column, unit in enumerate(units)}
    try:
        chosen = np.ix_([rows[i] for i in population.images], [columns[u] for u in population.units])
    except KeyError as error:
        raise damaged(path, f"no entry for image or unit {error}", "run the stage acquire") from error
    drifting = truth["second_half"].values != 1
    return truth.values[chosen].astype(np.float64), drifting[chosen[1].ravel()]


def _summarise(params: Params, tables: dict[str, pd.DataFrame]) -> dict:
    models = {model: _summarise_model(params, model, tables) for model in params.models.run}
    return {
        "source": params.acquire.source,
        "missing": list_missing(params),
        "data": _count_data(),
        "models": models,
        "protocols": _compare_protocols(models),
        "validation": _summarise_validation(tables["validation"]),
    }


def _rdms(models: dict[str, dict]) -> Path | None:
    """Return the RDMs of the first model compared under the corrected protocol, or None."""
    compared = (name for name, model in models.items() if model["protocol"] == "corrected" and model["areas"])
    return next((paths.RESULTS / "compare" / name / "rdms.nc" for name in compared), None)


def list_missing(params: Params) -> list[str]:
    """Return a phrase for each unavailable input (images, recordings) and for what depended on it."""
    missing = read_missing()
    recordings = missing["path"].str.endswith(".nwb")
    phrases = []
    if n := int((~recordings).sum()):
        phrases.append(f"{n} of {n + len(read_table())} images that the recordings show or the archive holds")
    phrases += [f"recording {path}" for path in missing["path"][recordings]]
    phrases += [f"{TRAINING} {model}" for model in params.models.run if activations.untrained(model)]
    return phrases


def _summarise_model(params: Params, model: str, tables: dict[str, pd.DataFrame]) -> dict:
    entry, layers = params.models.entry(model), activations.layers(model)
    accuracy = tables["accuracy"]
    test = accuracy[(accuracy["model"] == model) & (accuracy["split"] == "test")]
    scores = tables["layers"][tables["layers"]["model"] == model]
    rsa = tables["rsa"][tables["rsa"]["model"] == model]
    areas: dict = {}
    for area in AREAS:
        in_area = scores[scores["region"] == area]
        if len(in_area):
            areas[area] = {row.layer: _layer_scores(row, rsa[rsa["region"] == area]) for row in in_area.itertuples()}
    return {
        "kind": entry.kind,
        "protocol": entry.protocol,
        "layers": layers,
        "top_layer": layers[-1] if layers else None,
        "accuracy": number(test["accuracy"].iloc[0]) if len(test) else None,
        "balanced_accuracy": number(test["balanced_accuracy"].iloc[0]) if len(test) else None,
        "areas": areas,
    }


def _layer_scores(row, rsa: pd.DataFrame) -> dict:
    """Return the scores of one layer in one area."""
    of_layer = rsa[rsa["layer"] == row.layer]
    return {
        "n_units": int(row.n_units),
        **{name: number(getattr(row, name)) for name in SCORES},
        "median_rho": number(scoring.median(of_layer["rho"].to_numpy(float))),
        "recordings": len(of_layer),
    }


def _compare_protocols(models: dict) -> dict:
    """Return, for each protocol, the first model of a kind that runs under both, with its scores in its last area."""
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


def _count_data() -> dict:
    """Count images, recordings and fixations under the corrected protocol."""
    images = read_table()
    return {
        "images": len(images),
        "faces": int((images["label"] == "face").sum()),
        **neural.read_counts("corrected"),
    }


def _summarise_validation(table: pd.DataFrame) -> dict | None:
    """Return how far ceilings deviate from the truth, over units where both are defined; None without truth."""
    both = table.dropna(subset=["ceiling", "explainable"])
    if not len(both):
        return None
    steady = both[~both["drifting"].astype(bool)]
    return {"drifting": len(both) - len(steady), **_agreement(both), "steady": _agreement(steady)}


def _agreement(table: pd.DataFrame) -> dict:
    gap = (table["ceiling"] - table["explainable"]).to_numpy()
    r = pearson(table[["ceiling"]].to_numpy(), table[["explainable"]].to_numpy())[0]
    return {
        "units": len(table),
        "mean_difference": number(gap.mean()) if len(table) else None,
        "pearson_r": number(r),
    }
