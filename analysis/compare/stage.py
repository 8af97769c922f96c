"""The stage ``compare``: the layers of one model against every recorded area."""

import numpy as np
import pandas as pd

from analysis.compare import glimpses
from analysis.compare.read import LAYERS, TABLES, WHO
from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.files import atomic, write_csv, write_json
from analysis.core.parallel import map_processes
from analysis.core.seeds import seed_of
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import readout, scoring
from analysis.neural.populations import Population
from analysis.neural.scoring import number
from analysis.params import Compare, Params
from analysis.params.protocol import Protocol
from analysis.statistics.ceilings import normalised
from analysis.statistics.inference import bootstrap_interval
from analysis.statistics.rsa import rdm
from analysis.statistics.rsa.significance import by_area, null_correlations
from analysis.stimuli.read import read_missing, read_table

LEAST_MONKEYS = 5
"""Fewer say nothing about other monkeys that an interval could hold."""


def run(params: Params, model: str) -> None:
    """Write ``results/compare/<model>/``: the tables of `TABLES` as CSV, null.npy, rdms.nc and summary.json.

    null.npy holds the mean RDM correlation by layer and area, observed and under permutations of images
    (`significance.by_area`). Where images are missing and those at hand allow no comparison, the tables have no rows
    and the other files but summary.json are left out.

    Raises
    ------
    DataError
        If images, activations or the stage ``neural`` are missing, or no recording shows an image that the protocol
        compares.
    """
    entry = params.models.entry(model)
    layers = activations.layers(model)
    if not layers:
        return _write_nothing(entry, model)
    measured = list(neural.read(entry.protocol))
    if not measured and not read_missing().empty:
        return _write_nothing(entry, model)
    if not measured:
        raise DataError(
            f"no recording in {paths.RECORDINGS / entry.protocol} shows an image that {model} compares; "
            "check data/stimuli/images.csv against the recordings"
        )
    images = neural.Images(read_table(), neural.read_levels(entry.protocol))
    stems = activations.read(model, layers[-1])[0]
    values = {layer: activations.read(model, layer)[1] for layer in layers}

    def one(found: neural.Measured) -> dict[str, list[dict]]:
        rows = scoring.rows_of(found.population, stems)
        features = {layer: np.asarray(table[rows], np.float64) for layer, table in values.items()}
        return _compare(found, features, images, entry.rules, params)

    rows = map_processes(one, measured, f"compare {model}")
    made = {
        name: _framed([row for found in rows for row in found[name]], entry, model, columns)
        for name, columns in TABLES.items()
        if name not in ("layers", "fixations")
    }
    looked_at = glimpses.rows(model, entry.protocol, entry.rules, images.groups, params.compare, params.seed)
    made["fixations"] = _framed(looked_at, entry, model, TABLES["fixations"])
    for name in neural.TABLES:  # the populations' read-out beside the model's
        both = [neural.read_out(entry.protocol, name).assign(model=model, protocol=entry.protocol), made[name]]
        made[name] = pd.concat([table for table in both if len(table)] or both[1:], ignore_index=True)
    made["layers"] = layer_table(made["units"], entry.rules, params.compare, params.seed)
    out = paths.RESULTS / "compare" / model
    for name, columns in TABLES.items():
        write_csv(out / f"{name}.csv", made[name][columns])
    with atomic(out / "null.npy") as part, part.open("wb") as file:
        np.save(file, by_area([one["null"] for one in rows], [one.population.region for one in measured], AREAS))
    shown = max((found.population for found in measured), key=_shown_first)
    top = np.asarray(values[layers[-1]][scoring.rows_of(shown, stems)], np.float64)
    _write_rdms(out / "rdms.nc", shown, top, layers[-1], images, made["rsa"])
    write_json(out / "summary.json", _summary(made["layers"], made["rsa"], layers[-1]))


def _compare(found: neural.Measured, features: dict, images: neural.Images, rules: Protocol, params: Params):
    """Return the rows of all tables for one population, and the null distribution of its RSA."""
    population, ceiling, settings = found.population, found.ceiling, params.compare
    seed = neural.seed_for(params.seed, population)
    plan, fits = _fits(population, features, images.groups, rules, settings, seed)
    task = images.task(population, rules, settings)
    models, near = scoring.layer_rdms(population, features), scoring.neural_rdm(population)
    null = np.full((1 + settings.permutations, len(features)), np.nan)
    if models:
        null = null_correlations(list(models.values()), near, settings.permutations, seed_of(seed, "permutations"))
    return {
        "null": null,
        "units": _unit_rows(population, scoring.unit_scores(population, features, plan, fits), ceiling),
        "rsa": _rsa_rows(population, models, near, found.rdm_ceilings, settings, seed),
        "best": readout.best_rows(population, plan, fits, rules, ceiling),
        **readout.model_rows(population, list(features.values())[-1], task, ceiling, settings, seed),
    }


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


def _rsa_rows(population: Population, models: dict, near: rdm.RDM, bounds, settings, seed) -> list[dict]:
    found = scoring.rsa_scores(models, near, settings, seed) if models else {}
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
            "ceiling_lower": bounds[0],
            "ceiling_upper": bounds[1],
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
            part["r2"].to_numpy(),
            aggregate,
            levels,
            n_draws=settings.bootstrap,
            seed=seed_of(seed, "layers", region),
            limits=(-np.inf, 1.0),
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


def _shown_first(population: Population) -> tuple:
    """Rank populations for the figure: the latest area, then more units, then more images."""
    units = len(population.units)
    return AREAS.index(population.region), units >= scoring.LEAST_UNITS, units, len(population.images)


def _write_rdms(path, population: Population, features: np.ndarray, layer: str, images: neural.Images, similar) -> None:
    """Write the RDMs of the figure as netCDF; not by xarray, which loads dask for it and takes longer than all else."""
    import h5netcdf
    import h5py

    matrices = {
        "model_rdm": rdm.rdm(features, "correlation", population.images).square(),
        "neural_rdm": scoring.neural_rdm(population).square(),
    }
    category = images.table["category"].loc[list(population.images)]
    here = similar[
        (similar["recording"] == population.recording)
        & (similar["region"] == population.region)
        & (similar["layer"] == layer)
    ]
    with atomic(path) as part, h5netcdf.File(part, "w") as file:
        n = len(population.images)
        file.dimensions = {"image": n, "other": n}
        for name, matrix in matrices.items():
            variable = file.create_variable(
                name, ("image", "other"), np.float64, data=matrix, compression="gzip", shuffle=True
            )
            variable.attrs["coordinates"] = "stem category"
        for name, values in (("stem", population.images), ("category", category)):
            file.create_variable(name, ("image",), h5py.string_dtype(), data=np.array(list(values), object))
        file.attrs.update(
            {
                "recording": population.recording,
                "region": population.region,
                "layer": layer,
                "n_units": np.int64(len(population.units)),
                "rho": float(here["rho"].iloc[0]) if len(here) else np.nan,
            }
        )


def _summary(layers: pd.DataFrame, similar: pd.DataFrame, top: str) -> dict:
    """Return the top layer's scores by area, for ``dvc metrics show``."""
    result = {}
    for row in layers[layers["layer"] == top].itertuples():
        rho = scoring.median(similar[(similar["layer"] == top) & (similar["region"] == row.region)]["rho"].to_numpy())
        values = {"median_r2": row.median_r2, "median_pearson_r": row.median_pearson_r, "median_rho": rho}
        result[row.region] = {name: number(value) for name, value in values.items()}
    return {"top_layer": top, "areas": result}
