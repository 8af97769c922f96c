import numpy as np
import pandas as pd
import pytest

from analysis.core.errors import DataError
from analysis.neural import variation


def images(categories, labels=None):
    labels = ["face"] * len(categories) if labels is None else labels
    stems = [f"s{k}" for k in range(len(categories))]
    return pd.DataFrame({"stem": stems, "category": categories, "label": labels})


def test_published_regions_tell_category_clutter_and_orientation(tmp_path):
    named = ["face", "none", "none", "primate_face", "primate_face_clutter", "primate_face_clutter_inverted"]
    named = [*named, "pareidolia"]
    table = images(named, ["face", "non-face", "unlabelled", "face", "unlabelled", "unlabelled", "unlabelled"])
    found = variation.assign_levels(table, tmp_path / "none.csv")
    assert found["category"].tolist() == ["face", "object", "unlabelled", *named[3:]]
    assert found["clutter"].tolist() == ["", "", "", "low", "high", "high", ""]
    assert found["orientation"].tolist() == ["", "", "", "upright", "upright", "inverted", ""]
    assert list(variation.assign_levels(table[:3], tmp_path / "none.csv")) == ["category"]


def test_simulated_scenes_fall_into_thirds_of_pose_and_clutter(tmp_path):
    table = images(["face"] * 9 + ["none"])
    scenes = table[["stem"]][:9].assign(pose=np.linspace(-0.4, 0.4, 9), clutter=np.arange(9) / 9)
    scenes.sample(frac=1, random_state=0).to_csv(tmp_path / "scenes.csv", index=False)
    found = variation.assign_levels(table, tmp_path / "scenes.csv")
    assert found["clutter"].tolist() == ["low"] * 3 + ["middle"] * 3 + ["high"] * 3 + [""]
    assert found["pose"].tolist()[3:6] == ["low"] * 3  # turned least, either way
    assert {found["pose"].iloc[0], found["pose"].iloc[8]} == {"high"}
    scenes.drop(columns="pose").to_csv(tmp_path / "scenes.csv", index=False)
    with pytest.raises(DataError, match=r"scenes.csv is damaged \(no column pose\): run the stage acquire"):
        variation.assign_levels(table, tmp_path / "scenes.csv")


def test_scores_by_hand():
    called = np.array([True, False, True, True, False, True])
    labels = np.array([1, 1, 0, 1, 0, -1])
    levels = pd.DataFrame({"category": ["a", "a", "b", "", "b", "c"], "clutter": ["x", "x", "x", "y", "y", "y"]})
    rows = {(row["factor"], row["level"]): row for row in variation.score_levels(called, labels, levels)}
    assert next(iter(rows)) == ("all", "all")
    assert rows["all", "all"] == {
        "factor": "all",
        "level": "all",
        "n": 5,
        "measure": "balanced accuracy",
        "score": pytest.approx((2 / 3 + 1 / 2) / 2),
    }
    assert (rows["category", "a"]["measure"], rows["category", "a"]["score"]) == ("called face", 0.5)
    assert (rows["category", "c"]["n"], rows["category", "c"]["score"]) == (1, 1.0)
    assert ("category", "") not in rows
    assert (rows["clutter", "x"]["n"], rows["clutter", "x"]["score"]) == (3, pytest.approx((0.5 + 0) / 2))
    assert (rows["clutter", "y"]["n"], rows["clutter", "y"]["score"]) == (2, 1.0)  # the unlabelled one has no part


def test_scores_of_several_classes_by_hand():
    labels = np.array([0, 0, 1, 1, 2, -1])
    called = np.array([0, 1, 1, 1, 0, 2])
    levels = pd.DataFrame({"category": ["a", "a", "b", "b", "c", "d"], "clutter": ["x", "x", "x", "y", "y", "y"]})
    rows = {(row["factor"], row["level"]): row for row in variation.score_levels(called, labels, levels, 3)}
    found = {name: (row["n"], row["measure"], row["score"]) for name, row in rows.items()}
    assert found == {
        ("all", "all"): (5, "balanced accuracy", pytest.approx((1 / 2 + 1 + 0) / 3)),
        ("category", "a"): (2, "called correctly", 0.5),
        ("category", "b"): (2, "called correctly", 1.0),
        ("category", "c"): (1, "called correctly", 0.0),
        ("clutter", "x"): (3, "balanced accuracy", pytest.approx((1 / 2 + 1) / 2)),
        ("clutter", "y"): (2, "balanced accuracy", pytest.approx((1 + 0) / 2)),
    }
