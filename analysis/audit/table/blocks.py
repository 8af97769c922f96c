"""Block structure of a table: filled cells, rows that belong together, and the variance that blocks explain."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.audit.table.response_table import ResponseTable, TableNotAuditable
from analysis.core.seeds import seed_of

LEAST_GAIN = 0.05
"""Minimum share of a block's variance, over all its units, that a cut must explain."""
LEAST_BLOCK = 5
"""Minimum number of rows on either side of a cut."""
PERMUTATIONS = 99
TOLERANCE = 1e-9
"""Relative difference below which a cell counts as equal to its column's mean."""


@dataclass(frozen=True)
class Blocks:
    """The run and the block of each row.

    Attributes
    ----------
    run : (n_images,) int
        Consecutive rows with the same measured units; if such rows are scattered over the table, all rows with the same
        measured units.
    block : (n_images,) str
        The blocks given with the table; otherwise the runs, cut where the responses of all units change at once.
    source : str
        ``given``, ``runs of rows`` or ``sets of units``.
    """

    run: np.ndarray
    block: np.ndarray
    source: str


def filled_cells(values: np.ndarray) -> np.ndarray:
    """Return which cells were not measured: they are empty, or filled with the mean of their column.

    Filling with the mean does not change the mean, so a filled cell equals the mean of its whole column. In a column
    of integers (spike counts), cells at an integer mean may be true counts and do not count as filled.

    Parameters
    ----------
    values : (n_images, n_units)

    Returns
    -------
    (n_images, n_units) bool
    """
    empty = np.isnan(values)
    filled = empty.copy()
    for column in range(values.shape[1]):
        measured = values[~empty[:, column], column]
        if not len(measured):
            continue
        mean = measured.mean()
        same = np.abs(measured - mean) <= TOLERANCE * max(abs(mean), 1e-300)
        counts = np.array_equal(measured[~same], np.rint(measured[~same])) and float(mean).is_integer()
        if same.sum() >= 2 and not counts:
            filled[~empty[:, column], column] = same
    return filled


def check_columns(table: ResponseTable, filled: np.ndarray) -> None:
    """Reject units that were never measured or never vary.

    Raises
    ------
    TableNotAuditable
        Names the first such unit.
    """
    for column, name in enumerate(table.units):
        measured = table.values[~np.isnan(table.values[:, column]), column]
        if not len(measured):
            raise TableNotAuditable(f"column {name!r} is empty in all {len(table.values)} rows; leave it out")
        if filled[:, column].all() or np.ptp(measured) <= TOLERANCE * max(abs(measured[0]), 1e-300):
            raise TableNotAuditable(
                f"column {name!r} holds {measured[0]:g} in every row: all its cells are filled, or the unit never"
                " varied; leave it out"
            )


def find_blocks(table: ResponseTable, filled: np.ndarray, seed: int) -> Blocks:
    """Return the blocks of a table: those given, or blocks detected from filled cells and from changes along the rows.

    Raises
    ------
    TableNotAuditable
        If the table gives a single block for all rows. Detecting none is a valid result: all rows are then one block.
    """
    run, source = _runs(filled)
    if table.block is not None:
        names = table.block
        source = "given"
    else:
        cuts = change_points(table.values, filled, run, seed) if source == "runs of rows" else np.empty(0, int)
        number = run if source != "runs of rows" else _numbered(np.r_[np.flatnonzero(np.diff(run)) + 1, cuts], len(run))
        n_digits = len(str(number.max() + 1))
        names = np.array([f"{k + 1:0{n_digits}d}" for k in number])
    if table.block is not None and len(np.unique(names)) < 2:
        raise TableNotAuditable(
            f"the block column gives one block for all {len(names)} rows; give the recording of each row with --block"
        )
    return Blocks(run, names, source)


def _runs(filled: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the run of each row, and the source of the runs."""
    _, pattern = np.unique(filled, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    starts = np.flatnonzero(np.diff(pattern)) + 1
    if len(starts) + 1 <= 2 * (pattern.max() + 1):
        return _numbered(starts, len(pattern)), "runs of rows"
    return pattern, "sets of units"  # such rows are scattered, so their order carries no information


def _numbered(starts: np.ndarray, n_rows: int) -> np.ndarray:
    return np.searchsorted(np.unique(starts), np.arange(n_rows), side="right")


def change_points(values: np.ndarray, filled: np.ndarray, run: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows at which, within a run, the responses of all units change at once.

    Consecutive recordings with the same number of units form one run. They are separated by binary segmentation of the
    standardised log responses: a cut is kept if it explains at least `LEAST_GAIN` of the variance, and more than the
    best cut of any of 99 random orders of the rows.

    Parameters
    ----------
    values : (n_images, n_units)
    filled : (n_images, n_units) bool
    run : (n_images,) int
    seed : int

    Returns
    -------
    (n_cuts,) int
        The first row after each cut.
    """
    rng = np.random.default_rng(seed_of(seed, "change points"))
    smallest = np.nanmin(values)
    scaled = np.log1p(values - min(smallest, 0.0))
    cuts: list[int] = []
    for number in np.unique(run):
        rows = np.flatnonzero(run == number)
        units = ~filled[rows[0]]
        _segment(scaled[rows][:, units], rows[0], rng, cuts)
    return np.array(sorted(cuts), int)


def _segment(rows: np.ndarray, first: int, rng: np.random.Generator, cuts: list[int]) -> None:
    """Add the cuts within rows (n, n_units), whose numbers in the table start at `first`, to `cuts`."""
    if len(rows) < 2 * LEAST_BLOCK or not rows.shape[1]:
        return
    sd = rows.std(axis=0)
    z = (rows - rows.mean(axis=0)) / np.where(sd > 0, sd, 1.0)
    gain, cut = _best_cut(z)
    if gain < LEAST_GAIN * z.size:
        return
    if gain <= max(_best_cut(z[rng.permutation(len(z))])[0] for _ in range(PERMUTATIONS)):
        return
    cuts.append(first + cut)
    _segment(rows[:cut], first, rng, cuts)
    _segment(rows[cut:], first + cut, rng, cuts)


def _best_cut(z: np.ndarray) -> tuple[float, int]:
    """Return the sum of squares explained by the best cut of centred rows (n, n_units), and the first row after it."""
    n = len(z)
    sums = np.cumsum(z, axis=0)[LEAST_BLOCK - 1 : n - LEAST_BLOCK]
    size = np.arange(LEAST_BLOCK, n - LEAST_BLOCK + 1)
    gain = (sums**2).sum(axis=1) * (1 / size + 1 / (n - size))
    best = int(gain.argmax())
    return float(gain[best]), int(size[best])


def variance_explained(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the share of each column's variance that is between groups (eta squared), (n_units,).

    Empty cells are left out; NaN for a column without variance.
    """
    _, codes = np.unique(groups, return_inverse=True)
    out = np.full(values.shape[1], np.nan)
    for column in range(values.shape[1]):
        measured = ~np.isnan(values[:, column])
        y, g = values[measured, column], codes[measured]
        total = ((y - y.mean()) ** 2).sum() if len(y) else 0.0
        if total > 0:
            count = np.bincount(g, minlength=codes.max() + 1)
            means = np.bincount(g, y, minlength=codes.max() + 1) / np.maximum(count, 1)
            out[column] = (count * (means - y.mean()) ** 2).sum() / total
    return out


def describe_blocks(table: ResponseTable, filled: np.ndarray, blocks: Blocks) -> pd.DataFrame:
    """Return one row per block: run, first row, rows, measured units, share of filled cells, images of each label."""
    rows = []
    for name in dict.fromkeys(blocks.block):
        here = np.flatnonzero(blocks.block == name)
        measured = ~filled[here]
        counts = {f"label {label}": int((table.label[here] == label).sum()) for label in np.unique(table.label)}
        rows.append(
            {
                "block": name,
                "run": int(blocks.run[here[0]]) + 1,
                "first_row": int(here[0]) + 1,
                "rows": len(here),
                "units_measured": int(measured.any(axis=0).sum()),
                "filled_share": float(filled[here].mean()),
                "mean_response": float(np.nanmean(np.where(measured, table.values[here], np.nan)))
                if measured.any()
                else np.nan,
                **counts,
            }
        )
    return pd.DataFrame(rows)


def largest_pure_run(table: ResponseTable, filled: np.ndarray, blocks: Blocks) -> dict | None:
    """Return the longest run with a single label: the label, rows, first row and measured units; None if there is none.

    The rarest label that has such a run is chosen, since a run of the most common label is not by itself a confound.
    """
    labels, counts = np.unique(table.label, return_counts=True)
    for label in labels[np.argsort(counts, kind="stable")]:
        pure = [n for n in np.unique(blocks.run) if (table.label[blocks.run == n] == label).all()]
        if pure:
            sizes = [int((blocks.run == n).sum()) for n in pure]
            rows = np.flatnonzero(blocks.run == pure[int(np.argmax(sizes))])
            return {
                "label": str(label),
                "rows": len(rows),
                "first_row": int(rows[0]) + 1,
                "units": int((~filled[rows]).any(axis=0).sum()),
                "of_label": int((table.label == label).sum()),
            }
    return None
