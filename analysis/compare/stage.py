"""The stage ``compare``: the layers of one model against every recorded area."""

import numpy as np
import pandas as pd
import xarray as xr

from analysis import paths
from analysis.compare import rdm, readout, scoring
from analysis.compare.ceilings import normalised
from analysis.compare.inference import bootstrap_interval
from analysis.compare.populations import AREAS, Population, populations
from analysis.errors import DataError
from analysis.files import write_csv, write_json
from analysis.models import activations
from analysis.params import Compare, Params
from analysis.protocol import Protocol
from analysis.recordings import netcdf
from analysis.runtime import seed_of, track
from analysis.stimuli.read import read_missing, read_table

LEAST_MONKEYS = 5
"""Fewer say nothing about other monkeys that an interval could hold."""
WHO = ["model", "protocol"]
WHERE = ["layer", "recording", "subject", "region"]
SCORES = ["unit", "neuroid_id", "n_images", "r2", "pearson_r", "ceiling", "ev_normalised"]
UNITS = [*WHO, *WHERE, *SCORES]
LAYERS = [
    *[*WHO, "layer", "region", "n_units", "median_r2", "ci_low", "ci_high"],
    *["median_pearson_r", "median_ceiling", "median_ev_normalised"],
]
RSA = [*WHO, *WHERE, "n_images", "n_units", "rho", "ci_low", "ci_high", "ceiling_lower", "ceiling_upper"]
TABLES = {"units": UNITS, "layers": LAYERS, "rsa": RSA} | {
    "best": readout.BEST,
    "decoding": readout.DECODING,
    "kernel": readout.KERNEL,
}


def run(params: Params, model: str) -> None:
    """Write ``results/compare/<model>/``: the tables of `TABLES` as CSV, rdms.nc and summary.json.

    Where images are missing and those at hand allow no comparison, the tables have no rows and rdms.nc is left out.

    Raises
    ------
    DataError
        If images, activations or recordings are missing, or no recording shows an image that the protocol compares.
    """
    entry = params.models.entry(model)
    table = read_table()
    layers = activations.layers(model)
    if not layers:
        return _write_nothing(entry, model)
    stems = activations.read(model, layers[-1])[0]
    allowed = set(compared_images(table, entry.rules, params.compare)) & set(stems)
    groups = dict(zip(table["stem"], table["group"], strict=True))
    by_stem = table.set_index("stem")
    rows_of: dict[str, list] = {"units": [], "rsa": [], "best": [], "decoding": [], "kernel": []}
    shown = None
    for population in track(populations(entry.protocol, entry.rules, allowed), f"compare {model}"):
        rows = scoring.rows_of(population, stems)
        features = {layer: np.asarray(activations.read(model, layer)[1][rows], np.float64) for layer in layers}
        # The seed names no model, so that all models meet the same folds, halves and draws of images.
        seed = seed_of(params.seed, "compare", population.recording, population.region)
        ceiling = scoring.unit_ceilings(population, params.compare, seed)
        plan, found = _fits(population, features, groups, entry.rules, params.compare, seed)
        rows_of["units"] += _unit_rows(population, scoring.unit_scores(population, features, plan, found), ceiling)
        rows_of["rsa"] += _rsa_rows(population, features, params.compare, seed)
        rows_of["best"] += readout.best_rows(population, plan, found, entry.rules, ceiling)
        task = readout.Task(population, by_stem, groups, entry.rules, params.compare)
        read = readout.readout_rows(population, features[layers[-1]], task, ceiling, params.compare, seed)
        rows_of["decoding"] += read[0]
        rows_of["kernel"] += read[1]
        if _shown_before(shown, population):
            shown = population
    if shown is None and not read_missing().empty:
        return _write_nothing(entry, model)
    if shown is None:
        raise DataError(
            f"no recording in {paths.RECORDINGS / entry.protocol} shows an image that {model} compares; "
            "check data/stimuli/images.csv against the recordings"
        )
    made = {name: _framed(rows, entry, model, TABLES[name]) for name, rows in rows_of.items()}
    made["layers"] = layer_table(made["units"], entry.rules, params.compare, params.seed)
    out = paths.RESULTS / "compare" / model
    for name, columns in TABLES.items():
        write_csv(out / f"{name}.csv", made[name][columns])
    netcdf.write(_rdms(shown, stems, model, layers[-1], table, made["rsa"]), out / "rdms.nc")
    write_json(out / "summary.json", _summary(made["layers"], made["rsa"], layers[-1]))


def _framed(rows: list[dict], entry, model: str, columns: list[str]) -> pd.DataFrame:
    """Return rows as a table with the columns that say whose they are."""
    frame = pd.DataFrame(rows, columns=[column for column in columns if column not in WHO])
    return frame.assign(model=model, protocol=entry.protocol)[columns]


def _write_nothing(entry, model: str) -> None:
    """Write tables without rows: images were missing, so that there is nothing to compare."""
    out = paths.RESULTS / "compare" / model
    print(f"compare {model}: no image that it could compare is at hand (data/stimuli/missing.csv)")
    for name, columns in TABLES.items():
        write_csv(out / f"{name}.csv", pd.DataFrame(columns=columns))
    write_json(out / "summary.json", {"top_layer": None, "areas": {}})


def compared_images(table: pd.DataFrame, rules: Protocol, settings: Compare) -> list[str]:
    """Return the stems of the images that a protocol compares.

    The report compared its own test images; the corrected protocol all images, or those the model was not trained on.
    """
    return table["stem"][IMAGES[rules.splits](table, settings)].tolist()


IMAGES = {
    "single": lambda table, settings: table["split_report"] == "test",
    "grouped": lambda table, settings: (
        (table["split"] != "train") | (table["label"] == "unlabelled") | (settings.images == "all")
    ),
}


def _fits(population: Population, features, groups, rules, settings, seed):
    """Return the plan and the fits of every layer; neither where there are fewer groups of images than folds."""
    try:
        plan = scoring.plan_of(population.images, groups, rules, settings, seed)
    except DataError:
        return None, {}
    return plan, scoring.fits(population, features, plan)


def _unit_rows(population: Population, scores: dict, ceiling: np.ndarray) -> list[dict]:
    rows = []
    for layer, (r2, r) in scores.items():
        explained = normalised(r, ceiling)
        for k, unit in enumerate(population.units):
            rows.append(
                {
                    "layer": layer,
                    "recording": population.recording,
                    "subject": population.subject,
                    "region": population.region,
                    "unit": unit,
                    "neuroid_id": population.neuroid_ids[k],
                    "n_images": len(population.images),
                    "r2": r2[k],
                    "pearson_r": r[k],
                    "ceiling": ceiling[k],
                    "ev_normalised": explained[k],
                }
            )
    return rows


def _rsa_rows(population: Population, features, settings, seed) -> list[dict]:
    found = scoring.similarity(population, features, settings, seed)
    lower, upper = scoring.rdm_ceilings(population, settings, seed) if found else (np.nan, np.nan)
    return [
        {
            "layer": layer,
            "recording": population.recording,
            "subject": population.subject,
            "region": population.region,
            "n_images": len(population.images),
            "n_units": len(population.units),
            "rho": rho,
            "ci_low": low,
            "ci_high": high,
            "ceiling_lower": lower,
            "ceiling_upper": upper,
        }
        for layer, (rho, low, high) in found.items()
    ]


def layer_table(units: pd.DataFrame, rules: Protocol, settings: Compare, seed: int) -> pd.DataFrame:
    """Aggregate unit scores by layer and area, with hierarchical bootstrap intervals.

    Monkeys are drawn where there are `LEAST_MONKEYS` or more; with fewer the interval is about these monkeys, and
    recordings are drawn, or units where there is one recording.
    """
    aggregate = scoring.AGGREGATION[rules.aggregation]
    rows = []
    for (layer, region), part in units.groupby(["layer", "region"], sort=False):
        levels = [part["recording"].to_numpy()]
        if part["subject"].nunique() >= LEAST_MONKEYS:
            levels.insert(0, part["subject"].to_numpy())
        interval = bootstrap_interval(
            part["r2"].to_numpy(), aggregate, levels, n_draws=settings.bootstrap, seed=seed_of(seed, "layers", region)
        )
        rows.append(
            {
                "layer": layer,
                "region": region,
                "n_units": int(part["r2"].notna().sum()),
                "median_r2": interval.estimate,
                "ci_low": interval.low,
                "ci_high": interval.high,
                "median_pearson_r": scoring.median(part["pearson_r"].to_numpy()),
                "median_ceiling": scoring.median(part["ceiling"].to_numpy()),
                "median_ev_normalised": scoring.median(part["ev_normalised"].to_numpy()),
            }
        )
    table = pd.DataFrame(rows).assign(model=units["model"].iloc[0], protocol=units["protocol"].iloc[0])
    order = {name: place for place, name in enumerate(dict.fromkeys(units["layer"]))}
    place = table["layer"].map(order) * len(AREAS) + table["region"].map(AREAS.index)
    return table.iloc[np.argsort(place, kind="stable")][LAYERS]


def _shown_before(best: Population | None, other: Population) -> bool:
    """Say whether `other` is the better population for the figure: the later area, then more units, then images."""

    def rank(one):
        return AREAS.index(one.region), len(one.units) >= scoring.LEAST_UNITS, len(one.units), len(one.images)

    return best is None or rank(other) > rank(best)


def _rdms(population: Population, stems, model: str, layer: str, table: pd.DataFrame, similar) -> xr.Dataset:
    rows = scoring.rows_of(population, stems)
    features = np.asarray(activations.read(model, layer)[1][rows], np.float64)
    matrices = {
        "model_rdm": rdm.rdm(features, "correlation", population.images).square(),
        "neural_rdm": rdm.rdm(population.responses, "correlation", population.images).square(),
    }
    category = table.set_index("stem")["category"].loc[list(population.images)].to_numpy()
    here = similar[
        (similar["recording"] == population.recording)
        & (similar["region"] == population.region)
        & (similar["layer"] == layer)
    ]
    return xr.Dataset(
        {name: (("image", "other"), matrix) for name, matrix in matrices.items()},
        coords={"stem": ("image", np.array(population.images)), "category": ("image", category.astype(str))},
        attrs={
            "recording": population.recording,
            "region": population.region,
            "layer": layer,
            "n_units": np.int64(len(population.units)),
            "rho": float(here["rho"].iloc[0]) if len(here) else np.nan,
        },
    )


def _summary(layers: pd.DataFrame, similar: pd.DataFrame, top: str) -> dict:
    """Return the top layer's scores by area, for ``dvc metrics show``."""
    result = {}
    for row in layers[layers["layer"] == top].itertuples():
        rho = scoring.median(similar[(similar["layer"] == top) & (similar["region"] == row.region)]["rho"].to_numpy())
        values = {"median_r2": row.median_r2, "median_pearson_r": row.median_pearson_r, "median_rho": rho}
        result[row.region] = {name: number(value) for name, value in values.items()}
    return {"top_layer": top, "areas": result}


def number(value) -> float | None:
    """Return a float that JSON can hold: None where undefined."""
    return float(value) if np.isfinite(value) else None
