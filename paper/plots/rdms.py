"""Dissimilarity matrices as figures show them: ordered by category, as percentiles."""

import numpy as np
from matplotlib.patches import Rectangle

from paper import style

ORDER = ("face", "primate_face", "none")
"""Categories that come first and last; the others come between them in alphabetical order."""


def by_category(category: np.ndarray) -> tuple[np.ndarray, list[str], list[int]]:
    """Return the order of the images by category, the categories as shown, and where each starts.

    Parameters
    ----------
    category : array of str, shape (n_images,)
    """
    ends = {name: position for position, name in enumerate(ORDER[:-1])} | {ORDER[-1]: len(ORDER)}
    rank = [(ends.get(name, len(ORDER) - 1), name) for name in category]
    order = np.array(sorted(range(len(rank)), key=lambda image: (rank[image], image)))
    ordered = category[order]
    starts = [0, *(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist()]
    return order, ["no category" if ordered[s] == "none" else ordered[s].replace("_", " ") for s in starts], starts


def percentiles(rdm: np.ndarray) -> np.ndarray:
    """Return the percentile of each off-diagonal entry among all of them.

    The diagonal becomes NaN, and what is undefined stays so. Ranks make two RDMs of different range comparable by
    eye, and Spearman's correlation depends on ranks alone.
    """
    upper = np.triu(np.isfinite(rdm), 1)
    shown = np.full(rdm.shape, np.nan)
    _, rank, ties = np.unique(rdm[upper], return_inverse=True, return_counts=True)
    shown[upper] = (100 * (np.cumsum(ties) - ties / 2) / max(upper.sum(), 1))[rank]
    return np.fmax(shown, shown.T)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rho_a of two RDMs over the pairs that both define: ties are broken in all ways alike."""
    both = np.triu(np.isfinite(one) & np.isfinite(other), 1)
    if (n := int(both.sum())) < 2:
        return float("nan")
    ranks = [_mean_ranks(rdm[both]) - (n + 1) / 2 for rdm in (one, other)]
    return float(12 * np.dot(*ranks) / (n**3 - n))


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(ties) - (ties - 1) / 2)[place]


def mark_categories(axes, names: list[str], starts: list[int], n: int, labelled: bool = True) -> None:
    """Rule between the categories of an RDM of `n` images, and name them beside it where it is `labelled`."""
    stops = [*starts[1:], n]
    middles = [(start + stop) / 2 - 0.5 for start, stop in zip(starts, stops, strict=True)]
    labels = [f"{name} ({stop - start})" for name, start, stop in zip(names, starts, stops, strict=True)]
    for start in starts[1:]:
        axes.axhline(start - 0.5, color="white", linewidth=0.6)
        axes.axvline(start - 0.5, color="white", linewidth=0.6)
    # Bars along the edge show the extent of a category too small for its lines.
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        tone = style.INK if number % 2 == 0 else style.GREY
        axes.add_patch(Rectangle((-0.5 - 0.025 * n, start - 0.5), 0.015 * n, stop - start, color=tone, clip_on=False))
    axes.set_yticks(_spread_out(middles, n / 16) if labelled else [], labels if labelled else [])
    axes.set_xticks([])
    axes.tick_params(length=0, pad=7)
    for side in axes.spines.values():
        side.set_visible(False)


def _spread_out(positions: list[float], gap: float) -> list[float]:
    """Move labels down, as little as possible, until neighbours are at least `gap` apart."""
    moved = []
    for position in positions:
        moved.append(max(position, moved[-1] + gap) if moved else position)
    return moved
