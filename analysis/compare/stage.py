"""The stage ``compare``: comparison of one model's layers with every recorded area."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.compare import beyond_label, encoders, gaze_contingent, predictions
from analysis.compare.by_area import layer_table
from analysis.compare.by_population import compare_population
from analysis.compare.rdm_figure import choose_population, write_rdms
from analysis.compare.read import CHOSEN, TABLES, WHO, scored_areas
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json, write_npy
from analysis.core.parallel import map_processes, one_thread
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.neural.scoring import number
from analysis.params import Params
from analysis.statistics.rsa.significance import mean_by_area
from analysis.stimuli.read import read_missing, read_table


def run(params: Params, model: str) -> None:
    """Write ``results/compare/<model>/``: the tables of `TABLES`, predictions.nc, null.npy, rdms.nc and summary.json.

    null.npy holds the mean RDM correlation by layer and area, observed and under permutations of images
    (`significance.mean_by_area`). Under a protocol with ridge regression, the fitted maps are written too (`encoders`).
    If images are missing and the remaining ones allow no comparison, the tables have no rows, and summary.json is the
    only other file.

    Raises
    ------
    DataError
        If images, activations or the stage ``neural`` are missing, an activation is not finite, no recording shows an
        image that the protocol compares, or a layer is called `CHOSEN`.
    """
    entry, folder = params.models.entry(model), paths.RESULTS / "compare" / model
    layers = activations.layers(model)
    measured = list(neural.read_populations(entry.protocol)) if layers else []
    if CHOSEN in layers:
        raise DataError(f"{model} has a layer {CHOSEN!r}, the name of the chosen layer in tables: give it another name")
    if not layers or (not measured and not read_missing().empty):
        return _write_empty(folder, model)
    if not measured:
        raise DataError(
            f"no recording under the protocol {entry.protocol} shows an image that {model} compares; "
            "check data/stimuli/images.csv against the recordings"
        )
    images = neural.Images(read_table(), neural.read_levels(entry.protocol))
    stems = activations.read(model, layers[-1])[0]
    activity = {layer: activations.read(model, layer)[1] for layer in layers}
    beside = {name: neural.read_table(entry.protocol, name) for name in neural.TABLES}
    reductions = activations.reductions(model)
    fixations = gaze_contingent.fixation_rows(
        model, entry.protocol, entry.rules, images.groups, params.compare, params.seed
    )

    def features_of(population: Population) -> dict[str, np.ndarray]:
        rows = scoring.rows_of(population, stems)
        return {layer: np.asarray(table[rows], np.float64) for layer, table in activity.items()}

    ridge = entry.rules.regression == "ridge"

    def compare(one: neural.MeasuredPopulation) -> tuple:
        with one_thread():  # many small products: managing BLAS threads takes longer than computing
            features = features_of(one.population)
            found = rows, _, predicted = compare_population(one, features, images, entry.rules, params)
            return *found, encoders.fit(predicted, rows["units"], features) if ridge else None

    all_rows, nulls, predicted, fitted = zip(*map_processes(compare, measured, f"compare {model}"), strict=True)
    rows = {name: [row for found in all_rows for row in found[name]] for name in all_rows[0]}
    rows["fixations"] = fixations
    tables = {name: _as_table(rows[name], name, model, entry.protocol) for name in rows}
    for name, populations in beside.items():
        tables[name] = _beside_populations(populations.assign(model=model, protocol=entry.protocol), tables[name])
    tables["beyond_label"] = beyond_label.with_areas(tables["beyond_label"])
    tables["layers"] = layer_table(tables["units"], predicted, reductions, entry.rules, params.compare, params.seed)

    for name, columns in TABLES.items():
        write_csv(folder / f"{name}.csv", tables[name][columns])
    regions = [one.population.region for one in measured]
    write_npy(folder / "null.npy", mean_by_area(nulls, regions, scored_areas(regions)))
    predictions.write(folder / predictions.FILE, predicted, layers[-1])
    if ridge:
        encoders.write(folder, [one for one in fitted if one is not None])
    shown = choose_population([one.population for one in measured])
    write_rdms(
        folder / "rdms.nc", shown, entry.rules, features_of(shown)[layers[-1]], layers[-1], images, tables["rsa"]
    )
    write_json(folder / "summary.json", _summarise(tables["layers"], tables["rsa"], layers[-1]))


def _write_empty(folder: Path, model: str) -> None:
    """Write tables without rows, because too many images are missing for a comparison."""
    print(f"compare {model}: no images to compare are available; see data/stimuli/missing.csv")
    for name, columns in TABLES.items():
        write_csv(folder / f"{name}.csv", pd.DataFrame(columns=columns))
    write_json(folder / "summary.json", {"top_layer": None, "areas": {}})


def _as_table(rows: list[dict], name: str, model: str, protocol: str) -> pd.DataFrame:
    """Return rows as a table of `TABLES`, with columns for the model and its protocol."""
    table = pd.DataFrame(rows, columns=[column for column in TABLES[name] if column not in WHO])
    return table.assign(model=model, protocol=protocol)[TABLES[name]]


def _beside_populations(populations: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the populations' read-out (`neural.TABLES`) followed by the model's."""
    return pd.concat([part for part in (populations, table) if len(part)] or [table], ignore_index=True)


def _summarise(layers: pd.DataFrame, rsa: pd.DataFrame, top: str) -> dict:
    """Return the top layer's scores by area, for ``dvc metrics show``."""
    areas = {}
    for row in layers[layers["layer"] == top].itertuples():
        rho = scoring.median(rsa[(rsa["layer"] == top) & (rsa["region"] == row.region)]["rho"].to_numpy())
        scores = {"r_corrected": row.r_corrected, "r2": row.r2, "rho": rho}
        areas[row.region] = {name: number(score) for name, score in scores.items()}
    return {"top_layer": top, "areas": areas}
