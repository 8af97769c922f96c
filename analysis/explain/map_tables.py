"""Tidy tables of the maps of all models: localisation, faithfulness, randomisation, correlation with units."""

import numpy as np
import pandas as pd
import xarray as xr

from analysis.core.areas import AREAS
from analysis.core.parallel import map_threads
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.explain.gaze import unit_correlation
from analysis.explain.gaze.image_square import Frame
from analysis.explain.maps import faithfulness
from analysis.explain.maps.localisation import SCORES, localisation_scores
from analysis.explain.maps.model_maps import CONTROL, CONTROLS, REGION, TRAINED, UNTRAINED, Explained, evenly_spaced
from analysis.explain.mean_intervals import bootstrap_means
from analysis.params import Explain
from analysis.recordings import read
from analysis.statistics.inference import fdr

MAP = ["model", "weights", "method"]
ENDS = ["n_images", "estimate", "ci_low", "ci_high"]
IMAGES = [*MAP, "stem", *SCORES]
ATTRIBUTION = [*MAP, "score", *ENDS]
CURVES = ["model", "order", "curve", "share", "p_face"]
FAITHFULNESS = ["model", "order", "curve", *ENDS, "over_random", "over_random_low", "over_random_high"]
RANDOMISATION = ["model", "method", *ENDS, "passes"]
UNITS = [
    *[*MAP, "recording", "subject", "region", "unit", "neuroid_id", "n_images", "n_fixations"],
    *["r", "shuffled", "beyond", "p", "q", "follows"],
]
AREA = [*MAP, "region", "n_units", "mean_r", "mean_beyond", "ci_low", "ci_high", "n_follow"]
RANDOM = "random"


def image_table(explained: Explained) -> pd.DataFrame:
    """Return the localisation scores of every map and image (`IMAGES`)."""
    rows = [
        {"model": explained.model, "weights": weights, "method": method, "stem": stem}
        | localisation_scores(map_, region)
        for (weights, method), maps in explained.maps.items()
        for stem, map_, region in zip(explained.stems, maps, explained.region, strict=True)
    ]
    return pd.DataFrame(rows, columns=IMAGES)


SHARE, CORRELATION = (0.0, 1.0), (-1.0, 1.0)
"""Limits of averaged values: shares and probabilities; correlations and differences of shares."""


def _mean_rows(columns: list[np.ndarray], groups: np.ndarray, draws: int, seed: int, limits: tuple) -> list[dict]:
    """Return mean and interval of each column of scores, over images; near-duplicates are drawn together."""
    values = np.stack(columns, axis=1)
    found = bootstrap_means(values, groups, draws, seed_of(seed, "images"), limits).T
    n = np.isfinite(values).sum(axis=0)
    return [
        {"n_images": int(k), "estimate": mean, "ci_low": low, "ci_high": high}
        for k, (mean, low, high) in zip(n, found, strict=True)
    ]


def attribution_table(table: pd.DataFrame, explained: Explained, draws: int, seed: int) -> pd.DataFrame:
    """Return mean scores with intervals (`ATTRIBUTION`) from the rows of `image_table`."""
    parts = [(*key, score, part[score]) for key, part in table.groupby(MAP, sort=False) for score in SCORES]
    ends = _mean_rows([part[-1].to_numpy() for part in parts], explained.groups, draws, seed, SHARE)
    rows = [dict(zip([*MAP, "score"], part, strict=False)) | end for part, end in zip(parts, ends, strict=True)]
    return pd.DataFrame(rows, columns=ATTRIBUTION)


def faithfulness_tables(explained: Explained, values: Explain, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trained network's mean deletion and insertion curves (`CURVES`) and their areas (`FAITHFULNESS`).

    Pixels are ordered by each map, and at random.
    """
    rows = evenly_spaced(np.arange(len(explained.stems)), values.curve_images)
    orders = explained.by_method(TRAINED) | explained.by_method(CONTROL)
    size = explained.x.shape[2]
    orders[RANDOM] = np.random.default_rng(seed_of(seed, "random order")).random((len(explained.stems), size, size))
    network, x = explained.networks[TRAINED], explained.x[rows]

    def measure_curves(order: str) -> np.ndarray:
        return faithfulness.curves(network, x, orders[order][rows], values.curve_steps, seed_of(seed, order))

    areas, points = {}, []
    for order, found in zip(orders, map_threads(measure_curves, orders), strict=True):
        for place, curve in enumerate(faithfulness.CURVES):
            areas[order, curve] = faithfulness.area_under(found[:, place])
            mean = found[:, place].mean(axis=0)
            points += [
                {"order": order, "curve": curve, "share": k / values.curve_steps, "p_face": p}
                for k, p in enumerate(mean)
            ]
    groups, draws = explained.groups[rows], values.bootstrap
    ends = _mean_rows(list(areas.values()), groups, draws, seed, SHARE)
    beyond = [area - areas[RANDOM, curve] for (_, curve), area in areas.items()]
    gaps = _mean_rows(beyond, groups, draws, seed, CORRELATION)
    over = {"over_random": "estimate", "over_random_low": "ci_low", "over_random_high": "ci_high"}
    table = [
        {"order": order, "curve": curve} | end | {name: gap[which] for name, which in over.items()}
        for (order, curve), end, gap in zip(areas, ends, gaps, strict=True)
    ]
    model = explained.model
    return (
        pd.DataFrame(points).assign(model=model)[CURVES],
        pd.DataFrame(table).assign(model=model)[FAITHFULNESS],
    )


def randomisation_table(explained: Explained, draws: int, seed: int) -> pd.DataFrame:
    """Return the correlation of maps for trained and untrained weights (`RANDOMISATION`), by method."""
    trained, untrained = explained.by_method(TRAINED), explained.by_method(UNTRAINED)
    alike = {method: faithfulness.map_correlation(maps, untrained[method]) for method, maps in trained.items()}
    ends = _mean_rows([*alike.values()], explained.groups, draws, seed, CORRELATION)
    rows = [
        {"model": explained.model, "method": method, **end, "passes": bool(end["ci_high"] < faithfulness.SAME_MAP_RHO)}
        for method, end in zip(alike, ends, strict=True)
    ]
    return pd.DataFrame(rows, columns=RANDOMISATION)


def unit_tables(
    every: list[Explained], frames: dict[str, Frame], values: Explain, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Correlate every map with every stable unit, fixation by fixation within images.

    Returns
    -------
    units : DataFrame with `UNITS`
        ``q`` controls the false discovery rate over the units of an area, for each map.
    areas : DataFrame with `AREA`
        Means over units of r, and of r minus r with the maps of other images (beyond), with an interval over recordings
        (over units if there is a single recording).
    """
    named = [
        (explained.model, weights, method, dict(zip(explained.stems, maps, strict=True)))
        for explained in every
        for (weights, method), maps in [*explained.maps.items(), ((CONTROL, REGION), explained.region)]
    ]
    rows = [
        row
        for recording in track(read.all_recordings("corrected", stable_only=True), "correlating gaze and maps")
        for row in _recording_rows(read.selected(recording), named, frames, values.permutations, seed)
    ]
    return summarise_units(rows, values.bootstrap, seed)


def summarise_units(rows: list[dict], draws: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of `unit_tables` from one row per unit and map, with the columns in `UNITS` up to ``p``."""
    units = pd.DataFrame(rows, columns=UNITS)
    for _, part in units.groupby([*MAP, "region"], sort=False):
        units.loc[part.index, ["follows", "q"]] = np.column_stack(fdr(part["p"].to_numpy(float)))
    units["follows"] = units["follows"].astype(bool)
    return units, _area_table(units, draws, seed)


def _recording_rows(recording: xr.Dataset, named, frames, permutations: int, seed: int) -> list[dict]:
    """Return the rows of one recording; maps of the same images and size are processed together."""
    recording = recording.isel(fixation=np.isfinite(recording["rate"].values).all(axis=1))
    shown, name = set(recording["stimulus_id"].values.astype(str)), str(recording.attrs["recording"])
    together: dict[tuple, list] = {}
    for entry in named:
        maps = entry[-1]
        images = tuple(stem for stem in maps if stem in shown)
        size = len(next(iter(maps.values())))
        together.setdefault((images, size), []).append(entry)
    rows = []
    for (images, _), group in together.items():
        if not images:
            continue
        moments = unit_correlation.measure_moments([maps for *_, maps in group], frames, recording, list(images))
        found = unit_correlation.correlate(moments, permutations, seed_of(seed, "gaze", name))
        rows += [
            {
                "model": model,
                "weights": weights,
                "method": method,
                "recording": name,
                "subject": str(recording.attrs["subject"]),
                "region": str(recording["region"].values[unit]),
                "unit": str(recording["unit"].values[unit]),
                "neuroid_id": str(recording["neuroid_id"].values[unit]),
                "n_images": len(images),
                "n_fixations": moments.n,
                "r": found.r[k, unit],
                "shuffled": found.shuffled[k, unit],
                "beyond": found.r[k, unit] - found.shuffled[k, unit],
                "p": found.p[k, unit],
            }
            for k, (model, weights, method, _) in enumerate(group)
            for unit in range(recording.sizes["unit"])
        ]
    return rows


def _area_table(units: pd.DataFrame, draws: int, seed: int) -> pd.DataFrame:
    rows = []
    for region in sorted(units["region"].unique(), key=AREAS.index):
        here = units[units["region"] == region]
        grouped = here.groupby(MAP, sort=False)
        r = pd.DataFrame({key: part.set_index(["recording", "unit"])["beyond"] for key, part in grouped})
        recordings = r.index.get_level_values("recording")
        found = bootstrap_means(r.to_numpy(float), recordings, draws, seed_of(seed, "areas", region)).T
        follow, plain = grouped["follows"].sum(), grouped["r"].mean()
        for key, n, (mean, low, high) in zip(r.columns, r.notna().sum(), found, strict=True):
            row = dict(zip(MAP, key, strict=True)) | {"region": region, "n_units": n, "n_follow": follow[key]}
            rows.append(row | {"mean_r": plain[key], "mean_beyond": mean, "ci_low": low, "ci_high": high})
    return pd.DataFrame(rows, columns=AREA)


def summarise_model(tables: dict[str, pd.DataFrame], model: str, explained: Explained) -> dict:
    """Return the numbers of one model that the paper quotes."""
    score = tables["attribution"]
    score = score[(score["model"] == model) & (score["score"] == "pointing")]
    ends = {
        (row.weights, row.method): {"estimate": row.estimate, "low": row.ci_low, "high": row.ci_high}
        for row in score.itertuples()
    }
    controls = {name: ends[CONTROL, name] for name in CONTROLS}
    methods = {}
    for weights, method in ends:
        if weights == TRAINED:
            trained, twin = ends[TRAINED, method], ends.get((UNTRAINED, method))
            methods[method] = {
                "trained": trained,
                "untrained": twin,
                "beats_untrained": twin is not None and trained["low"] > twin["high"],
                **{f"beats_{name}": trained["low"] > control["high"] for name, control in controls.items()},
            }
    alike = tables["randomisation"][tables["randomisation"]["model"] == model]
    return {
        "images": len(explained.stems),
        "size": int(explained.x.shape[2]),
        "skipped": explained.skipped,
        "pointing": methods,
        "controls": controls,
        "randomisation": {
            row.method: {"rho": row.estimate, "low": row.ci_low, "high": row.ci_high, "passes": bool(row.passes)}
            for row in alike.itertuples()
        },
    }
