"""What the RDM of a table agrees with (label, block, file format), and whether blocks carry the agreement."""

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from analysis.audit.table import rdm_controls
from analysis.audit.table.blocks import Blocks
from analysis.audit.table.rdms import category_rdm, drop_undefined_images, row_rdm
from analysis.audit.table.response_table import ResponseTable, TableNotAuditable
from analysis.core.progress import track
from analysis.core.seeds import seed_of

SHARES = (0.25, 0.35, 0.5, 0.65, 0.75)
"""Shares of the rarest label in the samples on which RDMs are compared, since the RDM correlation depends on it."""
BALANCED = 0.5
"""Samples with at least this share of the rarest label are like the report's, which balanced its labels before it lost
the images without data. With a smaller share the correlation is lower, and is reported separately."""
LEAST_OF_LABEL = 10
COLUMNS = [
    *["rarest_share", "images", "model", "within", "rho", "low", "high", "left", "left_low", "left_high"],
    *["share_left", "p_value", "block_p", "partial", "draws"],
]


@dataclass(frozen=True)
class _Comparison:
    """One model RDM compared with one sample of the table."""

    shuffled: rdm_controls.Shuffled
    partial: float
    n_images: int


def file_formats(images: np.ndarray) -> np.ndarray:
    """Return the file format of each image by its extension in lower case, (n_images,) str."""
    return np.array([PurePosixPath(image).suffix.lower().lstrip(".") for image in images])


def sample(table: ResponseTable, share: float, rows: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return random rows with a given share of the rarest label; None if a label has too few images.

    Parameters
    ----------
    table : ResponseTable
    share : float
    rows : int
        Images in the sample; fewer where a label has not enough of them.
    rng : numpy.random.Generator
    """
    labels, counts = np.unique(table.label, return_counts=True)
    rare = np.flatnonzero(table.label == labels[counts.argmin()])
    rest = np.flatnonzero(table.label != labels[counts.argmin()])
    scale = min(1.0, len(rare) / (share * rows), len(rest) / ((1 - share) * rows))
    sizes = int(share * rows * scale), int((1 - share) * rows * scale)
    if min(sizes) < LEAST_OF_LABEL:
        return None
    return np.concatenate([rng.choice(group, n, replace=False) for group, n in zip((rare, rest), sizes, strict=True)])


def compare_controls(
    table: ResponseTable, blocks: Blocks, *, rows: int, draws: int, shuffles: int, seed: int
) -> pd.DataFrame:
    """Compare the table's RDM with RDMs of label, block and file format alone, before and after shuffling.

    Returns
    -------
    DataFrame
        One row per composition of the sample, model and kind of shuffle (`COLUMNS`): rarest_share, images, model,
        within, rho with low and high (over draws), left (exact mean over shuffles) with left_low and left_high (over
        draws and shuffles), share_left, p_value (median over draws), block_p (of `rdm_controls.block_test`, likewise),
        partial (of the model given the other two), draws.

    Raises
    ------
    TableNotAuditable
        If a label has too few images for any composition.
    """
    formats = file_formats(table.images)
    categories = {"label": table.label, "block": blocks.block}
    categories |= {"format": formats} if len(np.unique(formats)) > 1 else {}
    tasks = [(share, draw) for share in SHARES for draw in range(draws)]
    results: dict[tuple[float, str], list[_Comparison]] = {}
    for share, draw in track(tasks, "controls of the table"):
        rng = np.random.default_rng(seed_of(seed, "composition", str(share), draw))
        chosen = sample(table, share, rows, rng)
        if chosen is None:
            continue
        [neural], keep = drop_undefined_images(row_rdm(table.values[chosen]))
        chosen = chosen[keep]
        models = {name: category_rdm(values[chosen]) for name, values in categories.items()}
        models = {name: model for name, model in models.items() if np.ptp(model.distances) > 0}
        for name, model in models.items():
            others = [other for key, other in models.items() if key != name]
            shuffle_seed = seed_of(seed, share, draw, name)
            shuffled = rdm_controls.shuffle(
                model, neural, table.label[chosen], blocks.block[chosen], shuffles, shuffle_seed
            )
            partial = rdm_controls.partial_spearman(model, neural, others) if others else shuffled.rho
            results.setdefault((share, name), []).append(_Comparison(shuffled, partial, len(chosen)))
    if not results:
        counts = dict(zip(*np.unique(table.label, return_counts=True), strict=True))
        raise TableNotAuditable(
            f"labels {', '.join(f'{str(k)!r} ({v})' for k, v in counts.items())} are too few for RDMs: a sample needs"
            f" {LEAST_OF_LABEL} images of the rarest label"
        )
    return pd.DataFrame([row for key, comparisons in results.items() for row in _rows(*key, comparisons)])


def _rows(share: float, name: str, comparisons: list[_Comparison]) -> list[dict]:
    """Return one row per kind of shuffle, over all draws of one composition and model."""
    shuffled = [comparison.shuffled for comparison in comparisons]
    rho = np.array([one.rho for one in shuffled])
    low, high = np.quantile(rho, [0.025, 0.975])
    rows = []
    for within in rdm_controls.WITHIN:
        left = np.mean([one.mean[within] for one in shuffled])
        left_low, left_high = np.quantile(np.concatenate([one.left[within] for one in shuffled]), [0.025, 0.975])
        rows.append(
            {
                "rarest_share": share,
                "images": int(np.median([comparison.n_images for comparison in comparisons])),
                "model": name,
                "within": within,
                "rho": rho.mean(),
                "low": low,
                "high": high,
                "left": left,
                "left_low": left_low,
                "left_high": left_high,
                "share_left": left / rho.mean() if rho.mean() > 0 else np.nan,
                "p_value": np.median([one.p_value(within) for one in shuffled]),
                "block_p": np.median([one.block_p for one in shuffled]),
                "partial": np.mean([comparison.partial for comparison in comparisons]),
                "draws": len(comparisons),
            }
        )
    return rows


def verdicts(controls: pd.DataFrame) -> dict[str, dict]:
    """Summarise each model over compositions: ranges of rho and of what blocks leave of it, and a verdict."""
    summary = {}
    for name, rows in controls.groupby("model", sort=True):
        free, block = (rows[rows["within"] == within] for within in ("nothing", "block"))
        share = float(block["left"].mean() / block["rho"].mean())
        balanced = block["rarest_share"] >= BALANCED
        agrees = bool((free["p_value"] < rdm_controls.ALPHA).mean() > 0.5 and free["rho"].mean() > 0)
        beyond_chance = (free["block_p"] < rdm_controls.BLOCK_ALPHA).mean() > 0.5
        carried = share >= rdm_controls.CARRIED and beyond_chance
        summary[str(name)] = {
            "balanced": _ranges(block[balanced]),
            "fewer": _ranges(block[~balanced]),
            "share_left_within_block": share,
            "verdict": "none" if not agrees else "carried by blocks" if carried else "not carried by blocks",
        }
    return summary


def _ranges(rows: pd.DataFrame) -> dict[str, float] | None:
    """Return the ranges, over compositions, of rho and of what remains within blocks; None without compositions."""
    if rows.empty:
        return None
    return {
        f"{name}_{end}": float(value)
        for column, name in (("rho", "rho"), ("left", "left_within_block"))
        for end, value in (("low", rows[column].min()), ("high", rows[column].max()))
    }
