"""Claims on the time course of responses to images and of their prediction."""

import pandas as pd

from analysis.core.areas import AREAS
from paper.claims.models import named
from paper.claims.verdicts import count, interval_verdict
from paper.plots.supplement.timing import STAGE, is_drawable
from paper.results import Results


def timing(results: Results) -> dict | None:
    """Return when responses become reliable after onset, and which models predict them then; None without scores.

    Returns
    -------
    dict
        ``first``, ``last``: limits of the bins (ms), and their ``width`` (None if it varies); ``early``: of the bins
        that end by the median latency of their area, how many (``of``) there are and how many hold reliable responses
        after image onset (``zeroth``) and after later fixations (``later``); ``late``: the same for bins that start at
        the latency or after; ``area``: the latest area, its ``latency`` and where its first reliable bin after image
        onset starts (``onset``; None if there is none); ``models``: in how many of its reliable bins after image onset
        each model's score lies above and below 0.
    """
    if not is_drawable(results):
        return None
    bins, scores = results.table(STAGE, "bins"), results.table(STAGE, "scores")
    area = [area for area in AREAS if area in set(scores.region)][-1]
    here = bins[(bins.region == area) & (bins.part == "zeroth")]
    widths = set(bins.stop_ms - bins.start_ms)
    onset = here.start_ms[here.reliable].min()
    return {
        "first": int(bins.start_ms.min()),
        "last": int(bins.stop_ms.max()),
        "width": int(widths.pop()) if len(widths) == 1 else None,
        "early": _reliable(bins[bins.stop_ms <= bins.latency_ms]),
        "late": _reliable(bins[bins.start_ms >= bins.latency_ms]),
        "area": area,
        "latency": float(here.latency_ms.iloc[0]) if len(here) else None,
        "onset": None if pd.isna(onset) else int(onset),
        "models": [
            named(model) | _detected(scores[(scores.model == model) & (scores.region == area)])
            for model in dict.fromkeys(scores.model)
        ],
    }


def _reliable(bins: pd.DataFrame) -> dict[str, int]:
    """Return how many bins there are after image onset, and in how many of each kind responses are reliable."""
    found = {part: int(bins.reliable[bins.part == part].sum()) for part in ("zeroth", "later")}
    return found | {"of": int((bins.part == "zeroth").sum())}


def _detected(scores: pd.DataFrame) -> dict[str, int]:
    rows = scores[scores.part == "zeroth"]
    ends = rows[["r_corrected", "r_corrected_low", "r_corrected_high"]].itertuples(index=False)
    return count(interval_verdict(*one) for one in ends)
