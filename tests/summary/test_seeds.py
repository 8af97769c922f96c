"""Scores over seeds, and contrasts of models beside them."""

import pandas as pd
import pytest

from analysis.summary.seeds import CONTRASTS, contrasts_over_seeds, summarise


def values(model: str, scores: list[float], measure: str = "r_corrected") -> pd.DataFrame:
    seeds = {"seed": range(len(scores)), "value": scores}
    return pd.DataFrame({"model": model, **seeds, "region": "AIT", "measure": measure, "layer": "best"})


def contrast(model: str, other: str, difference: float, layer: str = "best") -> dict:
    ends = {"low": difference - 0.1, "high": difference + 0.1}
    return {"model": model, "other": other, "layer": layer, "region": "AIT", "difference": difference} | ends


def test_mean_sd_and_range_by_hand():
    table = summarise(pd.concat([values("a", [0.5, 0.7, 0.6]), values("a", [0.9, 0.9, float("nan")], "rho")]))
    assert table["measure"].tolist() == ["r_corrected", "rho"]
    assert table["seeds"].tolist() == [3, 2]
    assert table["mean"].tolist() == pytest.approx([0.6, 0.9])
    assert table["sd"].tolist() == pytest.approx([0.1, 0.0])
    assert table[["low", "high"]].to_numpy().tolist() == [[0.5, 0.7], [0.9, 0.9]]


def test_contrasts_take_every_pair_of_seeds():
    scores = pd.concat([values("a", [0.5, 0.7, 0.6]), values("b", [0.4, 0.4, 0.1]), values("fixed", [0.3])])
    scores = pd.concat([scores, values("b", [0.0] * 3, "rho")])
    rows = [contrast("a", "b", 0.1), contrast("a", "fixed", 0.2), contrast("a", "b", 9.0, "top")]
    table = contrasts_over_seeds(pd.DataFrame(rows), scores)
    assert list(table) == CONTRASTS
    both, fixed = (row for row in table.itertuples())
    assert (both.difference, both.seeds, both.other_seeds) == (0.1, 3, 3)
    assert (both.mean, both.sd) == pytest.approx((0.3, (0.01 + 0.03) ** 0.5))
    assert (both.lowest, both.highest) == pytest.approx((0.1, 0.6))
    assert (fixed.seeds, fixed.other_seeds) == (3, 1)
    assert (fixed.mean, fixed.sd, fixed.lowest, fixed.highest) == pytest.approx((0.3, 0.1, 0.2, 0.4))


def test_areas_without_a_score_have_no_rows():
    assert contrasts_over_seeds(pd.DataFrame([contrast("x", "y", 0.1)]), values("a", [0.5])).empty
