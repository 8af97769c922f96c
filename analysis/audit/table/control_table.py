"""Agreement of a table's RDM with label and file format, and whether blocks of rows carry it."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from analysis.audit.table.blocks import Blocks
from analysis.audit.table.rdms import LEAST_COMMON_UNITS, category_rdm, drop_undefined_images, row_rdm
from analysis.audit.table.response_table import ResponseTable, TableNotAuditable
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.statistics.block_confound import BlockConfound, block_confound
from analysis.statistics.inference import percentile_interval

RAREST_SHARE = 0.5
"""Share of the rarest label in a sample. The RDM correlation depends on it, and the report balanced its labels."""
LEAST_OF_LABEL = 10
SHOWN = 5
"""Number of labels listed in a message."""
QUANTITIES = ("rho", "within", "partial")
COLUMNS = ["model", "samples", "images", *(f"{name}{end}" for name in QUANTITIES for end in ("", "_low", "_high"))]
COLUMNS += ["carried", "p_value", "block_p", "determined", "verdict"]


def file_formats(images: np.ndarray) -> np.ndarray:
    """Return the file format of each image, its extension in lower case, (n_images,) str."""
    return np.array([PurePosixPath(image).suffix.lower().lstrip(".") for image in images])


def sample(table: ResponseTable, rows: int, rng: np.random.Generator, share: float = RAREST_SHARE) -> np.ndarray | None:
    """Return random rows with a given share of the rarest label; None if a label has too few images.

    Parameters
    ----------
    table : ResponseTable
    rows : int
        Images in the sample; fewer if a label has too few.
    rng : numpy.random.Generator
    share : float
    """
    labels, counts = np.unique(table.label, return_counts=True)
    rare = np.flatnonzero(table.label == labels[counts.argmin()])
    rest = np.flatnonzero(table.label != labels[counts.argmin()])
    scale = min(1.0, len(rare) / (share * rows), len(rest) / ((1 - share) * rows))
    sizes = int(share * rows * scale), int((1 - share) * rows * scale)
    if min(sizes) < LEAST_OF_LABEL:
        return None
    return np.concatenate([rng.choice(group, n, replace=False) for group, n in zip((rare, rest), sizes, strict=True)])


def _listed(label: np.ndarray) -> str:
    """Return the labels and their numbers of images as text, the most frequent first."""
    counts = sorted(zip(*np.unique(label, return_counts=True), strict=True), key=lambda pair: -pair[1])
    shown = ", ".join(f"{str(name)!r} ({n})" for name, n in counts[:SHOWN])
    return shown + (f" and {len(counts) - SHOWN} others" if len(counts) > SHOWN else "")


def compare_controls(
    table: ResponseTable, blocks: Blocks, *, rows: int, draws: int, shuffles: int, seed: int
) -> pd.DataFrame:
    """Compare the table's RDM, in balanced samples of its rows, with RDMs of label and file format alone.

    Returns
    -------
    DataFrame
        One row per model (`COLUMNS`): samples, images (median), and rho, within, partial (means over samples, and
        percentiles over samples and bootstrap draws of their images), carried (mean), p_value, block_p and determined
        (medians), and the verdict of most samples, all as in `block_confound.BlockConfound`.

    Raises
    ------
    TableNotAuditable
        If a label has too few images, or too few images have distances from each other.
    """
    formats = file_formats(table.images)
    categories = {"label": table.label} | ({"format": formats} if len(np.unique(formats)) > 1 else {})
    results: dict[str, list[tuple[int, BlockConfound]]] = {}
    for draw in track(range(draws), "controls of the table"):
        chosen = sample(table, rows, np.random.default_rng(seed_of(seed, "sample", draw)))
        if chosen is None:
            raise TableNotAuditable(
                f"labels {_listed(table.label)} are too few for RDMs: a sample needs {LEAST_OF_LABEL} images of the"
                " rarest label"
            )
        [neural], keep = drop_undefined_images(row_rdm(table.values[chosen]))
        if len(keep) < LEAST_OF_LABEL:
            raise TableNotAuditable(
                f"{len(keep)} of {len(chosen)} sampled images have distances from each other: an RDM needs"
                f" {LEAST_OF_LABEL} images, each pair with responses of {LEAST_COMMON_UNITS} or more units that vary;"
                " give more units, or audit the blocks one by one"
            )
        chosen = chosen[keep]
        for name, values in categories.items():
            model = category_rdm(values[chosen])
            if np.ptp(model.distances) > 0:
                where = table.label[chosen], blocks.block[chosen]
                found = block_confound(model, neural, *where, permutations=shuffles, seed=seed_of(seed, draw, name))
                results.setdefault(name, []).append((len(chosen), found))
    return pd.DataFrame([_row(name, found) for name, found in results.items()], columns=COLUMNS)


def _row(name: str, results: list[tuple[int, BlockConfound]]) -> dict:
    sizes, found = zip(*results, strict=True)
    row = {"model": name, "samples": len(found), "images": int(np.median(sizes))}
    for quantity in QUANTITIES:
        low, high = percentile_interval(np.concatenate([one.draws[quantity] for one in found]))
        mean = np.mean([getattr(one, quantity) for one in found])
        row |= {quantity: mean, f"{quantity}_low": low, f"{quantity}_high": high}
    medians = {key: np.median([getattr(one, key) for one in found]) for key in ("p_value", "block_p", "determined")}
    verdicts = [one.verdict for one in found]
    most = max(sorted(set(verdicts)), key=verdicts.count)
    return row | {"carried": np.mean([one.carried for one in found]), **medians, "verdict": most}
