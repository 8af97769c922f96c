"""The block structure of a table: which cells were filled, which rows belong together, and what blocks explain."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.audit.table import ResponseTable
from analysis.core.errors import DataError
from analysis.core.seeds import seed_of

LEAST_GAIN = 0.05
"""A block is cut in two only where that explains this share of its variance over all its units."""
LEAST_BLOCK = 5
"""Rows on either side of such a cut."""
PERMUTATIONS = 99
TOLERANCE = 1e-9
"""Relative difference up to which a cell equals its column's mean."""


@dataclass(frozen=True)
class Blocks:
    """Rows that belong together.

    Attributes
    ----------
    run : (n_images,) int
        Stretch of consecutive rows with the same measured units (or the set of rows with the same measured units,
        where rows of a kind do not lie together).
    block : (n_images,) str
        As given, or the runs, cut where the responses of all units change at once.
    source : str
        ``given``, ``runs of rows`` or ``sets of units``.
    """

    run: np.ndarray
    block: np.ndarray
    source: str


def filled_cells(values: np.ndarray) -> np.ndarray:
    """Return which cells were never measured: empty, or filled with the mean of their column.

    Filling with the mean leaves the mean as it is, so a filled cell equals the mean of its whole column. In a column
    of whole numbers (counts) a mean that is a whole number too may be a true count and is not taken for filling.

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
    """Refuse units without a measured cell or without any spread.

    Raises
    ------
    DataError
        Names the first such column.
    """
    for column, name in enumerate(table.units):
        measured = table.values[~np.isnan(table.values[:, column]), column]
        if not len(measured):
            raise DataError(f"column {name!r} is empty in all {len(table.values)} rows; leave it out")
        if filled[:, column].all() or np.ptp(measured) <= TOLERANCE * max(abs(measured[0]), 1e-300):
            raise DataError(
                f"column {name!r} holds {measured[0]:g} in every row: all its cells are filled, or the unit never"
                " varied; leave it out"
            )


def find_blocks(table: ResponseTable, filled: np.ndarray, seed: int) -> Blocks:
    """Return the blocks of a table: as given, or detected from the fill pattern and from changes along its rows.

    Raises
    ------
    DataError
        If all rows form one block.
    """
    run, source = _runs(filled)
    if table.block is not None:
        names = table.block
        source = "given"
    else:
        cuts = change_points(table.values, filled, run, seed) if source == "runs of rows" else np.empty(0, int)
        number = run if source != "runs of rows" else _numbered(np.r_[np.flatnonzero(np.diff(run)) + 1, cuts], len(run))
        names = np.array([f"{one + 1:0{len(str(number.max() + 1))}d}" for one in number])
    if len(np.unique(names)) < 2:
        what = "the block column gives" if table.block is not None else "no structure was found in the table:"
        raise DataError(f"{what} one block for all {len(names)} rows; give the recording of each row with --block")
    return Blocks(run, names, source)


def _runs(filled: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the stretch of rows, or the set of measured units, to which each row belongs."""
    _, pattern = np.unique(filled, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    starts = np.flatnonzero(np.diff(pattern)) + 1
    if len(starts) + 1 <= 2 * (pattern.max() + 1):
        return _numbered(starts, len(pattern)), "runs of rows"
    return pattern, "sets of units"  # rows of a kind do not lie together: their order says nothing


def _numbered(starts: np.ndarray, n_rows: int) -> np.ndarray:
    return np.searchsorted(np.unique(starts), np.arange(n_rows), side="right")


def change_points(values: np.ndarray, filled: np.ndarray, run: np.ndarray, seed: int) -> np.ndarray:
    """Return the rows at which, within a run, the responses of all units change at once.

    Recordings with the same number of units lie in one run. Binary segmentation of the standardised logarithms: a cut
    stays if it explains at least `LEAST_GAIN` of the variance, and more than in any of 99 random orders of the rows.
    """
    rng = np.random.default_rng(seed_of(seed, "change points"))
    smallest = np.nanmin(values)
    scaled = np.log1p(values - min(smallest, 0.0))
    found: list[int] = []
    for number in np.unique(run):
        rows = np.flatnonzero(run == number)
        units = ~filled[rows[0]]
        _segment(scaled[rows][:, units], rows[0], rng, found)
    return np.array(sorted(found), int)


def _segment(part: np.ndarray, first: int, rng: np.random.Generator, found: list[int]) -> None:
    """Add the cuts of rows ``first, first + 1, ...`` to `found`."""
    if len(part) < 2 * LEAST_BLOCK or not part.shape[1]:
        return
    spread = part.std(axis=0)
    z = (part - part.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    gain, place = _best_cut(z)
    if gain < LEAST_GAIN * z.size:
        return
    if gain <= max(_best_cut(z[rng.permutation(len(z))])[0] for _ in range(PERMUTATIONS)):
        return
    found.append(first + place)
    _segment(part[:place], first, rng, found)
    _segment(part[place:], first + place, rng, found)


def _best_cut(z: np.ndarray) -> tuple[float, int]:
    """Return the sum of squares that the best cut of centred rows (n, n_units) explains, and the first row after it."""
    n = len(z)
    sums = np.cumsum(z, axis=0)[LEAST_BLOCK - 1 : n - LEAST_BLOCK]
    size = np.arange(LEAST_BLOCK, n - LEAST_BLOCK + 1)
    gain = (sums**2).sum(axis=1) * (1 / size + 1 / (n - size))
    best = int(gain.argmax())
    return float(gain[best]), int(size[best])


def variance_explained(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the share of each column's variance that lies between groups (eta squared), shape (n_units,).

    Empty cells are left out; NaN for a column without variance.
    """
    _, codes = np.unique(groups, return_inverse=True)
    out = np.full(values.shape[1], np.nan)
    for column in range(values.shape[1]):
        there = ~np.isnan(values[:, column])
        y, g = values[there, column], codes[there]
        total = ((y - y.mean()) ** 2).sum() if len(y) else 0.0
        if total > 0:
            count = np.bincount(g, minlength=codes.max() + 1)
            means = np.bincount(g, y, minlength=codes.max() + 1) / np.maximum(count, 1)
            out[column] = (count * (means - y.mean()) ** 2).sum() / total
    return out


def describe_blocks(table: ResponseTable, filled: np.ndarray, blocks: Blocks) -> pd.DataFrame:
    """Return one row per block: its run, place, rows, measured units, filled share and images of each label."""
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
    """Return the longest stretch of rows that holds one label only: its label, rows, first row and measured units.

    Of the labels, the rarest that has such a run: a stretch of the commonest label is no confound by itself.
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
