"""How well a map points to a region: pointing game, mass inside, overlap at equal area."""

import numpy as np

SCORES = ("pointing", "mass", "iou")


def pointing(map_: np.ndarray, region: np.ndarray) -> float:
    """Return whether the map's maximum lies in the region (Zhang et al. 2018): 0 or 1.

    Where several pixels share the maximum, as within a superpixel, the share of them that lies in the region.

    Parameters
    ----------
    map_ : (size, size)
    region : (size, size) bool
    """
    return float(region[map_ == map_.max()].mean())


def mass(map_: np.ndarray, region: np.ndarray) -> float:
    """Return the share of the map's positive part that lies in the region; NaN for a map without any."""
    positive = np.maximum(map_, 0)
    total = positive.sum(dtype=np.float64)
    return float(positive[region].sum(dtype=np.float64) / total) if total > 0 else np.nan


def iou(map_: np.ndarray, region: np.ndarray) -> float:
    """Return intersection over union of the region and as many pixels, the map's highest.

    Of pixels that share the value at the border, each counts for the share of them that is needed.
    """
    area = int(region.sum())
    border = np.partition(map_, map_.size - area, axis=None)[map_.size - area]
    above, equal = map_ > border, map_ == border
    both = (region & above).sum() + (region & equal).sum() * (area - above.sum()) / equal.sum()
    return float(both / (2 * area - both))


def scores(map_: np.ndarray, region: np.ndarray) -> dict[str, float]:
    """Return all of `SCORES` of one map and one region that is not empty."""
    return {"pointing": pointing(map_, region), "mass": mass(map_, region), "iou": iou(map_, region)}
