"""The audit of one table: fill map, blocks, labels by block, and controls for what its RDM agrees with."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from analysis.audit import blocks as structure
from analysis.audit import controls
from analysis.audit.blocks import Blocks
from analysis.audit.table import ResponseTable
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.statistics.rsa.rdm import RDM, upper

SHARES = (0.25, 0.35, 0.5, 0.65, 0.75)
"""Shares of the rarest label in the samples on which RDMs are compared: their correlation depends on it."""
BALANCED = 0.5
"""From this share on a sample is like the report's, which balanced its labels before it lost the images without data;
with fewer of the rarest label the correlation is lower, which is told apart."""
LEAST_OF_LABEL = 10
COLUMNS = {
    "blocks": ["block", "run", "first_row", "rows", "units_measured", "filled_share", "mean_response"],
    "units": ["unit", "filled_share", "blocks", "variance_by_run", "variance_by_block", "variance_by_block_measured"],
    "fill": ["block", "unit", "measured_share", "mean_z"],
    "controls": [
        *["rarest_share", "images", "model", "within", "rho", "low", "high", "left", "left_low", "left_high"],
        *["share_left", "p_value", "block_p", "partial", "draws"],
    ],
}
"""Columns of each table; ``blocks`` has one more per label."""


@dataclass(frozen=True)
class Audit:
    """Tables by file name (without extension), and the numbers that sum them up."""

    tables: dict[str, pd.DataFrame]
    summary: dict


def audit(table: ResponseTable, *, rows: int, draws: int, shuffles: int, seed: int) -> Audit:
    """Audit a table.

    Parameters
    ----------
    table : ResponseTable
    rows : int
        Images in a sample on which RDMs are compared.
    draws : int
        Samples of each composition.
    shuffles : int
        Shuffles of each sample and kind.
    seed : int

    Returns
    -------
    Audit
        ``blocks``: a row per block with its images of each label; ``units``: filled share and variance explained by
        block of each unit; ``fill``: measured share and standardised mean per block and unit; ``controls``: RDM
        correlations of label, block and file format, and what shuffles leave of them.

    Raises
    ------
    DataError
        If there is one label or one block only, or a unit has no measured cell or never varies.
    """
    if not len(table.label):
        raise DataError("the table has no rows")
    if len(np.unique(table.label)) < 2:
        raise DataError(
            f"all {len(table.label)} images have the label {str(table.label[0])!r}; an audit needs two labels"
        )
    filled = structure.filled_cells(table.values)
    structure.check_columns(table, filled)
    found = structure.find_blocks(table, filled, seed)
    measured = np.where(filled, np.nan, table.values)
    groups = {"run": found.run, "block": found.block}
    of_run, of_block = (structure.variance_explained(table.values, group) for group in groups.values())
    units = pd.DataFrame(
        {
            "unit": table.units,
            "filled_share": filled.mean(axis=0),
            "blocks": [len(np.unique(found.block[~filled[:, k]])) for k in range(len(table.units))],
            "variance_by_run": of_run,
            "variance_by_block": of_block,
            "variance_by_block_measured": structure.variance_explained(measured, found.block),
        }
    )
    per_block = structure.describe_blocks(table, filled, found)
    compared = compare_controls(table, found, rows=rows, draws=draws, shuffles=shuffles, seed=seed)
    summary = {
        "images": len(table.images),
        "units": len(table.units),
        "unnamed_rows": len(table.unnamed),
        "labels": {str(k): int(v) for k, v in zip(*np.unique(table.label, return_counts=True), strict=True)},
        "cells_filled": float(filled.mean()),
        "rows_touched": float(filled.any(axis=1).mean()),
        "most_filled_column": float(filled.mean(axis=0).max()),
        "blocks_from": found.source,
        "runs": len(np.unique(found.run)),
        "blocks": len(np.unique(found.block)),
        "variance_by_run_median": float(np.nanmedian(of_run)),
        "variance_by_block_median": float(np.nanmedian(of_block)),
        **{f"variance_by_{name}_with_unnamed": _with_unnamed(table, g) for name, g in groups.items()},
        "label_in_one_block": cramers_v(table.label, found.block),
        "largest_pure_run": structure.largest_pure_run(table, filled, found),
        "formats": formats(table),
        "verdicts": _verdicts(compared),
    }
    tables = {"blocks": per_block, "units": units, "fill": fill_map(table, filled, found), "controls": compared}
    return Audit(tables, summary)


def _with_unnamed(table: ResponseTable, groups: np.ndarray) -> float | None:
    """Return the median share of variance between groups with the rows that name no image, each in the group before it.

    None where there are none. In the report's table such a row sums the spikes of all fixations that got no image: the
    largest value of 62 of the 63 columns that it measures, which alone is most of the variance within its block.
    """
    if table.unnamed.empty:
        return None
    before = np.maximum(table.unnamed.index.to_numpy() - 1, 0)
    values = np.concatenate([table.values, table.unnamed.to_numpy()])
    return float(np.nanmedian(structure.variance_explained(values, np.concatenate([groups, groups[before]]))))


def write(result: Audit, folder: Path, prefix: str = "") -> None:
    """Write the tables as csv files and the summary as ``summary.json``; with a prefix, the tables alone."""
    for name, table in result.tables.items():
        write_csv(Path(folder) / f"{prefix}{name}.csv", table)
    if not prefix:
        write_json(Path(folder) / "summary.json", result.summary)


def extension(images: np.ndarray) -> np.ndarray:
    """Return the file format of each image by its extension, lower case, shape (n_images,) str."""
    return np.array([PurePosixPath(image).suffix.lower().lstrip(".") for image in images])


def formats(table: ResponseTable) -> dict | None:
    """Return the images of each label and file format; None where names tell no formats apart."""
    of = extension(table.images)
    if len(np.unique(of)) < 2:
        return None
    return {
        str(label): {str(k): int(((table.label == label) & (of == k)).sum()) for k in np.unique(of)}
        for label in np.unique(table.label)
    }


def cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    """Return Cramer's V of two labellings: 0 independent, 1 one decides the other."""
    counts = pd.crosstab(a, b).to_numpy(float)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    least = min(counts.shape) - 1
    return float(np.sqrt(((counts - expected) ** 2 / expected).sum() / (counts.sum() * least))) if least else 0.0


def fill_map(table: ResponseTable, filled: np.ndarray, found: Blocks) -> pd.DataFrame:
    """Return measured share and mean response (in standard deviations of the unit) of each block and unit."""
    z = (table.values - np.nanmean(table.values, axis=0)) / np.nanstd(table.values, axis=0)
    parts = []
    for name in dict.fromkeys(found.block):
        here = found.block == name
        known = ~filled[here]
        count = known.sum(axis=0)
        sums = np.where(known, z[here], 0.0).sum(axis=0)
        mean = np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0)
        parts.append(
            pd.DataFrame({"block": name, "unit": table.units, "measured_share": known.mean(axis=0), "mean_z": mean})
        )
    return pd.concat(parts, ignore_index=True)


def row_rdm(values: np.ndarray) -> RDM:
    """Return the RDM (1 - Pearson) of rows over the units that both rows have.

    Parameters
    ----------
    values : (n_images, n_units)
        NaN where a unit is missing. A pair with fewer than 3 common units, or no spread in them, is undefined.
    """
    known = np.isfinite(values).astype(np.float64)
    centre = np.where(known > 0, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    X = np.where(known > 0, values - centre[:, None], 0.0)  # less cancellation; the correlation of rows stays
    n = known @ known.T
    sums, squares = X @ known.T, (X**2) @ known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = X @ X.T - sums * sums.T / n
        spread = squares - sums**2 / n
        spread = np.where(spread > 1e-12 * squares, spread, np.nan)
        r = covariance / np.sqrt(spread * spread.T)
    return RDM(upper(np.where(n >= 3, 1 - np.clip(r, -1, 1), np.nan)), "correlation")


def sample(table: ResponseTable, share: float, rows: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return random rows with the given share of the rarest label; None where there are too few of a label."""
    labels, counts = np.unique(table.label, return_counts=True)
    rare = np.flatnonzero(table.label == labels[counts.argmin()])
    rest = np.flatnonzero(table.label != labels[counts.argmin()])
    scale = min(1.0, len(rare) / (share * rows), len(rest) / ((1 - share) * rows))
    sizes = int(share * rows * scale), int((1 - share) * rows * scale)
    if min(sizes) < LEAST_OF_LABEL:
        return None
    return np.concatenate([rng.choice(part, k, replace=False) for part, k in zip((rare, rest), sizes, strict=True)])


def compare_controls(
    table: ResponseTable, found: Blocks, *, rows: int, draws: int, shuffles: int, seed: int
) -> pd.DataFrame:
    """Compare the table's RDM with pure RDMs of label, block and file format, before and after shuffling.

    Returns
    -------
    DataFrame
        One row per composition, model and kind of shuffle: rarest_share, images, model, within, rho with low and high
        (over draws), left (exact mean over shuffles) with left_low and left_high (over draws and shuffles), share_left,
        p_value (median over draws), block_p (of `controls.block_test`, likewise), partial (of the model given the two
        others), draws.

    Raises
    ------
    DataError
        If a label has too few images for any composition.
    """
    of = extension(table.images)
    kinds = {"label": table.label, "block": found.block} | ({"format": of} if len(np.unique(of)) > 1 else {})
    tasks = [(share, draw) for share in SHARES for draw in range(draws)]
    results: dict[tuple[float, str], list] = {}
    for share, draw in track(tasks, "controls of the table"):
        rng = np.random.default_rng(seed_of(seed, "composition", str(share), draw))
        chosen = sample(table, share, rows, rng)
        if chosen is None:
            continue
        neural, chosen = _defined(row_rdm(table.values[chosen]), chosen)
        models = {name: controls.category_rdm(values[chosen]) for name, values in kinds.items()}
        models = {name: model for name, model in models.items() if np.ptp(model.distances) > 0}
        for name, model in models.items():
            others = [other for key, other in models.items() if key != name]
            shuffled = controls.shuffle(
                model, neural, table.label[chosen], found.block[chosen], shuffles, seed_of(seed, share, draw, name)
            )
            partial = controls.partial_spearman(model, neural, others) if others else shuffled.rho
            results.setdefault((share, name), []).append((shuffled, partial, len(chosen)))
    if not results:
        counts = dict(zip(*np.unique(table.label, return_counts=True), strict=True))
        raise DataError(
            f"labels {', '.join(f'{str(k)!r} ({v})' for k, v in counts.items())} are too few for RDMs: a sample needs"
            f" {LEAST_OF_LABEL} images of the rarest label"
        )
    return pd.DataFrame([row for key, values in results.items() for row in _control_rows(*key, values)])


def _defined(neural: RDM, chosen: np.ndarray) -> tuple[RDM, np.ndarray]:
    """Leave out images, the worst first, until every distance is defined."""
    matrix = neural.square()
    keep = np.arange(len(chosen))
    while (bad := ~np.isfinite(matrix[np.ix_(keep, keep)])).any():
        keep = np.delete(keep, bad.sum(axis=1).argmax())
    return neural.take(keep), chosen[keep]


def _control_rows(share: float, name: str, values: list) -> list[dict]:
    rho = np.array([shuffled.rho for shuffled, _, _ in values])
    low, high = np.quantile(rho, [0.025, 0.975])
    rows = []
    for within in controls.WITHIN:
        left = np.mean([shuffled.mean[within] for shuffled, _, _ in values])
        drawn = np.concatenate([shuffled.left[within] for shuffled, _, _ in values])
        left_low, left_high = np.quantile(drawn, [0.025, 0.975])
        rows.append(
            {
                "rarest_share": share,
                "images": int(np.median([n for _, _, n in values])),
                "model": name,
                "within": within,
                "rho": rho.mean(),
                "low": low,
                "high": high,
                "left": left,
                "left_low": left_low,
                "left_high": left_high,
                "share_left": left / rho.mean() if rho.mean() > 0 else np.nan,
                "p_value": np.median([shuffled.p_value(within) for shuffled, _, _ in values]),
                "block_p": np.median([shuffled.block_p for shuffled, _, _ in values]),
                "partial": np.mean([partial for _, partial, _ in values]),
                "draws": len(values),
            }
        )
    return rows


def _ends(rows: pd.DataFrame) -> dict[str, float] | None:
    """Return the ends, over compositions, of rho and of what is left within blocks; None without compositions."""
    if rows.empty:
        return None
    return {
        f"{name}_{end}": float(value)
        for column, name in (("rho", "rho"), ("left", "left_within_block"))
        for end, value in (("low", rows[column].min()), ("high", rows[column].max()))
    }


def _verdicts(compared: pd.DataFrame) -> dict[str, dict]:
    """Sum up each model over compositions: rho, what is left within blocks, and what carries it."""
    out = {}
    for name, rows in compared.groupby("model", sort=True):
        free, block = (rows[rows["within"] == within] for within in ("nothing", "block"))
        share = float(block["left"].mean() / block["rho"].mean())
        balanced = block["rarest_share"] >= BALANCED
        agrees = bool((free["p_value"] < controls.ALPHA).mean() > 0.5 and free["rho"].mean() > 0)
        beyond_chance = (free["block_p"] < controls.BLOCK_ALPHA).mean() > 0.5
        carried = share >= controls.CARRIED and beyond_chance
        out[str(name)] = {
            "balanced": _ends(block[balanced]),
            "fewer": _ends(block[~balanced]),
            "share_left_within_block": share,
            "verdict": "none" if not agrees else "carried by blocks" if carried else "not carried by blocks",
        }
    return out
