import numpy as np
import pandas as pd
import pytest

from analysis.candidates import ablation, search


def test_correlation_by_kind_and_area_is_pearsons():
    draw = np.random.default_rng(0)
    rows = []
    for kind in ("random", "performance"):
        for number in range(30):
            x = draw.normal()
            for region, slope in (("V1", 0.0), ("IT", 2.0)):
                rows.append((kind, number, x, region, 5, 0.0, slope * x + draw.normal()))
    table = pd.DataFrame(rows, columns=search.PREDICTIVITY)
    found = search.correlations(table, 400, 1).set_index(["kind", "region"])
    assert list(found.index) == [(k, r) for k in ("random", "performance", "all") for r in ("V1", "IT")]
    part = table[(table["kind"] == "random") & (table["region"] == "IT")]
    r = np.corrcoef(part["accuracy"], part["median_ev_normalised"])[0, 1]
    row = found.loc[("random", "IT")]
    assert row["r"] == pytest.approx(r)
    assert row["ci_low"] < r < row["ci_high"]
    assert row["ci_low"] > 0.5
    assert found.loc[("all", "IT"), "candidates"] == 60
    low, high = found.loc[("random", "V1"), ["ci_low", "ci_high"]]
    assert low < 0 < high
    # Fisher's interval of 60 pairs, about which the bootstrap's must lie
    row = found.loc[("all", "IT")]
    reach = 1.96 / np.sqrt(57)
    assert np.arctanh(row["ci_low"]) == pytest.approx(np.arctanh(row["r"]) - reach, abs=0.15)


def test_undefined_correlations_are_empty():
    rows = [("random", n, 0.5, "V1", 3, 0.1, 0.1 * n) for n in range(5)]  # accuracy never varies
    rows += [("random", n, 0.1 * n, "V2", 0, None, None) for n in range(5)]  # no unit is defined
    found = search.correlations(pd.DataFrame(rows, columns=search.PREDICTIVITY), 20, 1)
    assert found["r"].isna().all()
    assert found.set_index(["kind", "region"])["candidates"].to_dict()["random", "V2"] == 0


def runs(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"variant": name, "seed": seed, "accuracy": value, "balanced_accuracy": value, "search_gflop": 2.0 + seed}
        for name, found in values.items()
        for seed, value in enumerate(found)
    ]
    return pd.DataFrame(rows, columns=ablation.RUNS)


def test_differences_are_paired_by_seed():
    """By hand: differences .1, .2, .3 have the mean .2 and the standard error .1 / sqrt(3); t(2) = 4.302653."""
    table = ablation.differences(runs({"full": [0.5, 0.6, 0.7], "margin": [0.6, 0.8, 1.0]}))
    row = table[(table["variant"] == "margin") & (table["measure"] == "accuracy")].iloc[0]
    assert row["mean"] == pytest.approx(0.8)
    assert row["difference"] == pytest.approx(0.2)
    assert row["ci_high"] - row["difference"] == pytest.approx(4.302653 * 0.1 / np.sqrt(3), rel=1e-5)
    assert row["seeds"] == 3
    assert row["search_gflop"] == 3.0  # of 2, 3, 4: the standard error is 1 / sqrt(3)
    assert row["gflop_high"] - 3 == 3 - row["gflop_low"] == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)
    assert table.loc[table["variant"] == "full", "difference"].eq(0).all()


def test_a_failed_run_leaves_its_seed_out():
    table = ablation.differences(runs({"full": [0.5, 0.6, 0.7], "report": [0.6, np.nan, 0.9]}))
    row = table[(table["variant"] == "report") & (table["measure"] == "accuracy")].iloc[0]
    assert row["seeds"] == 2
    assert row["difference"] == pytest.approx(0.15)
