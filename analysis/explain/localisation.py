"""Test whether maps localise faces, against shifted faces, maps with initial weights, and a centre bias."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from analysis.core.seeds import seed_of
from analysis.explain.attribution import METHODS
from analysis.explain.face_regions import centre_bias, share_in_face, share_in_shifted_faces
from analysis.explain.model_maps import INITIAL, TRAINED, Explained
from analysis.statistics.inference import Interval, bootstrap_interval

CENTRE = "centre_bias"
KEY = ["model", "weights", "method"]
IMAGES = [*KEY, "stem", "in_face", "in_shifted_faces"]
LOCALISATION = [*KEY, "n_images", "in_face", "in_shifted_faces", "difference", "ci_low", "ci_high"]
COMPARISONS = ["model", "method", "control", "n_images", "difference", "ci_low", "ci_high", "rho"]


def image_table(explained: Explained) -> pd.DataFrame:
    """Return the share of every map in the face and in shifted faces (`IMAGES`); weights ``none``: the centre bias."""
    n, size = explained.n_scored, explained.faces.shape[1]
    maps = {(weights, method): explained.scored(weights, method) for weights, method in explained.maps}
    maps["none", CENTRE] = np.broadcast_to(centre_bias(size), (n, size, size))
    rows = [
        (explained.model, *key, stem, share_in_face(map_, face, frame), share_in_shifted_faces(face, frame))
        for key, shown in maps.items()
        for stem, map_, face, frame in zip(explained.stems[:n], shown, explained.faces, explained.frames, strict=False)
    ]
    return pd.DataFrame(rows, columns=IMAGES)


def localisation_table(images: pd.DataFrame, explained: Explained, draws: int, seed: int) -> pd.DataFrame:
    """Return the means over images (`LOCALISATION`), with an interval for the difference from shifted faces.

    Images whose map has no positive part are omitted.
    """
    rows = []
    for key, part in images.groupby(KEY, sort=False):
        known = part.dropna(subset="in_face")
        gap = _mean((part["in_face"] - part["in_shifted_faces"]).to_numpy(), explained, draws, seed)
        means = known["in_face"].mean(), known["in_shifted_faces"].mean()
        rows.append((*key, len(known), *means, gap.estimate, gap.low, gap.high))
    return pd.DataFrame(rows, columns=LOCALISATION)


def comparison_table(images: pd.DataFrame, explained: Explained, draws: int, seed: int) -> pd.DataFrame:
    """Return paired differences in the share of the map that lies in the face (`COMPARISONS`).

    The trained network's maps are compared, image by image, with those of its initial weights and with the centre bias;
    ``rho`` is the mean rank correlation of the two maps.
    """
    size, rows = explained.faces.shape[1], []
    share = images.pivot(index="stem", columns=["weights", "method"], values="in_face").loc[
        explained.stems[: explained.n_scored]
    ]
    for method in METHODS:
        trained = explained.scored(TRAINED, method)
        centre = np.broadcast_to(centre_bias(size), trained.shape)
        controls = {(INITIAL, method): explained.scored(INITIAL, method), ("none", CENTRE): centre}
        for key, maps in controls.items():
            gap = (share[TRAINED, method] - share[key]).to_numpy()
            found = _mean(gap, explained, draws, seed)
            control = key[0] if key[0] == INITIAL else CENTRE
            ends = found.estimate, found.low, found.high
            rho = np.mean([_rank_correlation(one, other) for one, other in zip(trained, maps, strict=True)])
            rows.append((explained.model, method, control, int(np.isfinite(gap).sum()), *ends, rho))
    return pd.DataFrame(rows, columns=COMPARISONS)


def _mean(values: np.ndarray, explained: Explained, draws: int, seed: int) -> Interval:
    """Return the mean over images and its bootstrap interval; near-duplicates are drawn together."""
    groups = explained.groups[: explained.n_scored]
    draw = seed_of(seed, "explain", "images")
    return bootstrap_interval(values, np.mean, [groups], n_draws=draws, seed=draw, limits=(-1, 1))


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's rho of two maps; 0 if one is constant."""
    return float(spearmanr(one.ravel(), other.ravel()).statistic) if np.ptp(one) and np.ptp(other) else 0.0


def summarise(tables: dict[str, pd.DataFrame], explained: Explained) -> dict:
    """Return the numbers of one model that the paper quotes."""
    shown = {name: table[table["model"] == explained.model] for name, table in tables.items()}
    methods: dict[str, dict] = {}
    for row in shown["localisation"].to_dict("records"):
        part = {name: row[name] for name in LOCALISATION[len(KEY) :]}
        methods.setdefault(row["method"], {})[row["weights"]] = part
    for row in shown["comparisons"].to_dict("records"):
        part = {name: row[name] for name in ("difference", "ci_low", "ci_high", "rho")}
        methods[row["method"]].setdefault("minus", {})[row["control"]] = part
    centre = methods.pop(CENTRE)["none"]
    return {"images": explained.n_scored, "p_face": explained.mean_p_face, "maps": methods, "centre_bias": centre}
