import numpy as np
import pandas as pd
import pytest

from analysis.candidates import ablation, search


def test_a_search_is_ranked_among_the_random_candidates_by_the_candidate_it_would_choose():
    """By hand: the search chooses number 1, of least error; one of four random candidates is worse in accuracy."""
    columns = ["kind", "number", "accuracy", "training_error", "training_r"]
    rows = [("random", n, 0.5 + n / 10, 0.5, 0.1) for n in range(4)]
    rows += [("performance", 0, 0.9, 0.3, 0.1), ("performance", 1, 0.55, 0.2, 0.1)]
    candidates = pd.DataFrame(rows, columns=columns)
    predictivity = candidates[["kind", "number", "accuracy"]].assign(region="AIT", n_units=3, median_r=np.nan)
    predictivity["median_corrected_r"] = [0.1, 0.2, 0.3, np.nan, 0.9, 0.25]
    (row,) = search.compare_searches(candidates, predictivity[search.PREDICTIVITY]).to_dict("records")
    assert (row["kind"], row["candidates"], row["number"], row["region"]) == ("performance", 2, 1, "AIT")
    assert row["accuracy_rank"] == 0.25
    assert row["predictivity_rank"] == pytest.approx(2 / 3)


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
