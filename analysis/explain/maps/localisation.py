"""How well a map localises a region: pointing game, share of mass inside, overlap at equal area."""

import numpy as np

SCORES = ("pointing", "mass", "iou")


def pointing(map_: np.ndarray, region: np.ndarray) -> float:
    """Return 1 if the map's maximum lies in the region, else 0 (pointing game, Zhang et al. 2018).

    If several pixels share the maximum, as within a superpixel, return the share of them that lies in the region.

    Parameters
    ----------
    map_ : (size, size)
    region : (size, size) bool
    """
    return float(region[map_ == map_.max()].mean())


def mass(map_: np.ndarray, region: np.ndarray) -> float:
    """Return the share of the map's positive part that lies in the region; NaN if it has no positive part."""
    positive = np.maximum(map_, 0)
    total = positive.sum(dtype=np.float64)
    return float(positive[region].sum(dtype=np.float64) / total) if total > 0 else np.nan


def iou(map_: np.ndarray, region: np.ndarray) -> float:
    """Return intersection over union of the region and the highest pixels of the map, as many as the region has.

    If several pixels share the lowest of these values, each counts in proportion to how many of them are needed.
    """
    area = int(region.sum())
    threshold = np.partition(map_, map_.size - area, axis=None)[map_.size - area]
    above, equal = map_ > threshold, map_ == threshold
    both = (region & above).sum() + (region & equal).sum() * (area - above.sum()) / equal.sum()
    return float(both / (2 * area - both))


def localisation_scores(map_: np.ndarray, region: np.ndarray) -> dict[str, float]:
    """Return all `SCORES` of one map for one non-empty region."""
    return {"pointing": pointing(map_, region), "mass": mass(map_, region), "iou": iou(map_, region)}
