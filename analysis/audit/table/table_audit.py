"""Audit one table of images x units: filled cells, blocks, labels by block, and controls for its RDM correlations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats.contingency import association

from analysis.audit.table import control_table
from analysis.audit.table.blocks import (
    Blocks,
    check_columns,
    describe_blocks,
    filled_cells,
    find_blocks,
    largest_pure_run,
    variance_explained,
)
from analysis.audit.table.response_table import ResponseTable, TableNotAuditable
from analysis.core.files import as_json, write_csv, write_json

COLUMNS = {
    "blocks": ["block", "run", "first_row", "rows", "units_measured", "filled_share", "mean_response"],
    "units": ["unit", "filled_share", "blocks", "variance_by_run", "variance_by_block", "variance_by_block_measured"],
    "fill": ["block", "unit", "measured_share", "mean_z"],
    "controls": control_table.COLUMNS,
}
"""Columns of each table; ``blocks`` has one more for each label."""
FILES = (*(f"{name}.csv" for name in COLUMNS), "summary.json")
"""Names of the files that `write` writes."""


@dataclass(frozen=True)
class Audit:
    """Tables by file name (without extension), and a summary of their numbers."""

    tables: dict[str, pd.DataFrame]
    summary: dict


def audit_table(table: ResponseTable, *, rows: int, draws: int, shuffles: int, seed: int) -> Audit:
    """Audit a table.

    Parameters
    ----------
    table : ResponseTable
    rows : int
        Images in a sample on which RDMs are compared.
    draws : int
        Number of samples.
    shuffles : int
        Random orders of the images of a sample, for its tests.
    seed : int

    Returns
    -------
    Audit
        ``blocks``: one row per block with its images of each label; ``units``: share of filled cells and variance
        explained by block, for each unit; ``fill``: measured share and standardised mean per block and unit;
        ``controls``: RDM correlations with label and file format, overall and within blocks; no rows if no blocks are
        found.

    Raises
    ------
    TableNotAuditable
        If there is only one label, or a single block is given, or a unit was never measured or never varies.
    """
    if not len(table.label):
        raise TableNotAuditable("the table has no rows")
    if len(np.unique(table.label)) < 2:
        raise TableNotAuditable(
            f"all {len(table.label)} images have the label {str(table.label[0])!r}; an audit needs two labels"
        )
    filled = filled_cells(table.values)
    check_columns(table, filled)
    blocks = find_blocks(table, filled, seed)
    controls = pd.DataFrame(columns=control_table.COLUMNS)  # within a single block there is nothing to control for
    if len(np.unique(blocks.block)) > 1:
        controls = control_table.compare_controls(table, blocks, rows=rows, draws=draws, shuffles=shuffles, seed=seed)
    tables = {
        "blocks": describe_blocks(table, filled, blocks),
        "units": describe_units(table, filled, blocks),
        "fill": fill_map(table, filled, blocks),
        "controls": controls,
    }
    return Audit(tables, _summarise(table, filled, blocks, tables))


def describe_units(table: ResponseTable, filled: np.ndarray, blocks: Blocks) -> pd.DataFrame:
    """Return one row per unit: share of filled cells, number of blocks, variance explained by run and by block."""
    measured = np.where(filled, np.nan, table.values)
    return pd.DataFrame(
        {
            "unit": table.units,
            "filled_share": filled.mean(axis=0),
            "blocks": [len(np.unique(blocks.block[~filled[:, k]])) for k in range(len(table.units))],
            "variance_by_run": variance_explained(table.values, blocks.run),
            "variance_by_block": variance_explained(table.values, blocks.block),
            "variance_by_block_measured": variance_explained(measured, blocks.block),
        }
    )


def _summarise(table: ResponseTable, filled: np.ndarray, blocks: Blocks, tables: dict[str, pd.DataFrame]) -> dict:
    units = tables["units"]
    return {
        "images": len(table.images),
        "units": len(table.units),
        "unnamed_rows": len(table.unnamed),
        "labels": {str(k): int(v) for k, v in zip(*np.unique(table.label, return_counts=True), strict=True)},
        "cells_filled": float(filled.mean()),
        "rows_touched": float(filled.any(axis=1).mean()),
        "most_filled_column": float(filled.mean(axis=0).max()),
        "blocks_from": blocks.source,
        "runs": len(np.unique(blocks.run)),
        "blocks": len(np.unique(blocks.block)),
        "variance_by_run_median": float(np.nanmedian(units["variance_by_run"])),
        "variance_by_block_median": float(np.nanmedian(units["variance_by_block"])),
        "variance_by_run_with_unnamed": _with_unnamed_rows(table, blocks.run),
        "variance_by_block_with_unnamed": _with_unnamed_rows(table, blocks.block),
        "label_in_one_block": cramers_v(table.label, blocks.block),
        "largest_pure_run": largest_pure_run(table, filled, blocks),
        "formats": count_formats(table),
        "controls": {row.pop("model"): row for row in tables["controls"].to_dict("records")},
    }


def _with_unnamed_rows(table: ResponseTable, groups: np.ndarray) -> float | None:
    """Return the median share of variance between groups if rows that name no image join the group before them.

    None if there are no such rows. In the report's table, such a row sums the spikes of all fixations without an image:
    it holds the largest value in 62 of the 63 columns that it measures, and makes up most of the variance within its
    block.
    """
    if table.unnamed.empty:
        return None
    before = np.maximum(table.unnamed.index.to_numpy() - 1, 0)
    values = np.concatenate([table.values, table.unnamed.to_numpy()])
    return float(np.nanmedian(variance_explained(values, np.concatenate([groups, groups[before]]))))


def write(audit: Audit, folder: Path) -> None:
    """Write the tables as csv files and the summary as ``summary.json``."""
    for name, table in audit.tables.items():
        write_csv(Path(folder) / f"{name}.csv", table)
    write_json(Path(folder) / "summary.json", as_json(audit.summary))


def count_formats(table: ResponseTable) -> dict | None:
    """Return the number of images of each label and file format; None if all have the same format."""
    format_of = control_table.file_formats(table.images)
    if len(np.unique(format_of)) < 2:
        return None
    return {
        str(label): {str(k): int(((table.label == label) & (format_of == k)).sum()) for k in np.unique(format_of)}
        for label in np.unique(table.label)
    }


def cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    """Return Cramér's V of two labellings: 0 if they are independent, 1 if one determines the other."""
    counts = pd.crosstab(a, b).to_numpy()
    return float(association(counts, method="cramer")) if min(counts.shape) > 1 else 0.0


def fill_map(table: ResponseTable, filled: np.ndarray, blocks: Blocks) -> pd.DataFrame:
    """Return the measured share and the mean response (in standard deviations of the unit) of each block and unit."""
    z = (table.values - np.nanmean(table.values, axis=0)) / np.nanstd(table.values, axis=0)
    by_block = []
    for name in dict.fromkeys(blocks.block):
        here = blocks.block == name
        measured = ~filled[here]
        count = measured.sum(axis=0)
        sums = np.where(measured, z[here], 0.0).sum(axis=0)
        mean = np.divide(sums, count, out=np.full(len(count), np.nan), where=count > 0)
        by_block.append(
            pd.DataFrame({"block": name, "unit": table.units, "measured_share": measured.mean(axis=0), "mean_z": mean})
        )
    return pd.concat(by_block, ignore_index=True)
