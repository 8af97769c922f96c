"""All models together: every layer and area meets its own permutations."""

import numpy as np
import pandas as pd
import pytest

from analysis.compare import gaze_contingent
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.params.protocol import REPORT
from analysis.statistics.rsa import significance
from analysis.summary import stage as summary


def similarities(model: str) -> pd.DataFrame:
    """Rows of two layers in V4 and AIT, of two recordings each, one of which is undefined in AIT."""
    areas = ("V4", 0.1), ("V4", 0.3), ("AIT", 0.1), ("AIT", np.nan)
    rows = [(layer, region, rho) for layer in ("first", "top") for region, rho in areas]
    return pd.DataFrame(rows, columns=["layer", "region", "rho"]).assign(model=model, protocol="corrected")


def test_each_layer_and_area_has_its_own_permutations(tmp_path, monkeypatch):
    monkeypatch.setattr(summary.paths, "RESULTS", tmp_path)
    rng = np.random.default_rng(0)
    values = {model: rng.normal(size=(20, 2, len(AREAS))) * np.arange(1, 7) for model in ("a", "b")}
    for model, found in values.items():
        (tmp_path / "compare" / model).mkdir(parents=True)
        np.save(tmp_path / "compare" / model / "null.npy", found)
    rsa = pd.concat([similarities(model) for model in values])
    table = summary.tests_table(["a", "b", "c"], rsa)
    assert table[["model", "layer", "region"]].to_numpy().tolist() == [
        [model, layer, area] for model in "ab" for layer in ("first", "top") for area in ("V4", "AIT")
    ]
    assert table["recordings"].tolist() == [2, 1] * 4
    for row in table.itertuples():
        mine = values[row.model][:, ["first", "top"].index(row.layer), AREAS.index(row.region)]
        assert row.rho == mine[0]
        assert row.p == ((mine[1:] >= mine[0]).sum() + 1) / 20
    assert list(table) == significance.COLUMNS
    np.save(tmp_path / "compare/b/null.npy", values["b"][:-1])
    with pytest.raises(DataError, match="run the stage compare for all"):
        summary.tests_table(["a", "b"], rsa)
    (tmp_path / "compare/b/null.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"b/null.npy is damaged .* run the stage compare for b again"):
        summary.tests_table(["a", "b"], rsa)
    assert summary.tests_table(["c"], rsa).empty


def test_sums_over_an_image_have_no_single_fixations(project):
    values, _ = project
    assert gaze_contingent.fixation_rows("good", "report", REPORT, {}, values.compare, 0) == []
