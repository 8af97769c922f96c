import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.audit import joins, labels, rungs
from analysis.params.protocol import CORRECTED, REPORT
from analysis.recordings.main_file import read_session


def test_walks_end_where_they_should_and_change_one_field_at_a_time():
    found = rungs.rungs()
    walk = [one for one in found if one.walk == "in order"]
    assert walk[0].protocol == REPORT
    assert walk[-1].protocol == CORRECTED
    for before, after in itertools.pairwise(walk):
        changed = [n for n in rungs.FIELDS if getattr(before.protocol, n) != getattr(after.protocol, n)]
        assert changed == [after.field]
    for name, start in (("corrected alone", REPORT), ("flawed alone", CORRECTED)):
        alone = [one for one in found if one.walk == name]
        assert alone[0].protocol == start
        assert [one.field for one in alone[1:]] == list(rungs.FIELDS)
        for one in alone[1:]:
            assert [n for n in rungs.FIELDS if getattr(one.protocol, n) != getattr(start, n)] == [one.field]


def test_join_errors_of_a_real_recording(reference):
    main = reference / "000628" / "sub-An" / "sub-An_ses-20220105T173929_image.nwb"
    rows = {row["join"]: row for row in joins.errors(read_session(main), "An220105")}
    flawed, right = rows["row"], rows["trial_id"]
    assert (flawed["right"], flawed["wrong"], flawed["none"]) == (3, 626, 226)
    assert flawed["fixations_labelled"] == 4619
    assert round(100 * flawed["fixations_right"] / flawed["fixations_labelled"], 2) == 0.26
    assert (right["right"], right["wrong"], right["none"]) == (855, 0, 0)
    assert flawed["fixations_no_image"] / flawed["fixations_labelled"] == pytest.approx(0.39, abs=0.01)
    assert right["fixations_right"] + right["fixations_no_image"] == right["fixations_labelled"]


def test_labels_lost_by_extension_in_the_reports_table(reference):
    from analysis.stimuli.categories import read_categories, read_file_names, stem_of

    table = pd.read_csv(reference / "report" / "combinedAIT.csv", usecols=["image_path"]).dropna()
    names = table["image_path"].str.split("/").str[-1]
    listed = set(read_file_names(reference / "report" / "face.csv"))
    categories = read_categories(reference / "annotations" / "db" / "ROIs" / "Stimuli")
    images = pd.DataFrame(
        {
            "category": ["+".join(sorted(categories.get(stem_of(name), {"none"}))) for name in names],
            "label_report": np.where(names.isin(listed), "face", "non-face"),
        }
    )
    face_like = labels.is_face_like(images["category"])
    assert face_like.sum() == 563
    assert (face_like & (images["label_report"] == "non-face")).sum() == 64
    rows = labels.lost(images).set_index("category")
    assert rows["images"].sum() == 4250
    assert rows["called_face"].sum() == 506


def test_format_shortcut_by_hand():
    #          train: faces mostly jpg, others mostly png        test
    extension = [".jpg", ".JPG", ".png", ".png", ".png", ".jpg", ".jpg", ".png", ".png", ".jpg", ".gif"]
    label = ["face"] * 3 + ["non-face"] * 3 + ["face", "face", "non-face", "non-face", "unlabelled"]
    split = ["train"] * 6 + ["test"] * 5
    found = labels.format_shortcut(np.array(extension), np.array(label), np.array(split))
    assert found["n_test"] == 4
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5
    assert found["share_jpg_face"] == pytest.approx(3 / 5)
    assert found["share_jpg_non_face"] == pytest.approx(2 / 5)


def test_format_shortcut_sees_a_format_that_tells_all():
    extension = np.array([".jpg"] * 10 + [".png"] * 10)
    label = np.array(["face"] * 10 + ["non-face"] * 10)
    split = np.array((["train"] * 5 + ["test"] * 5) * 2)
    assert labels.format_shortcut(extension, label, split)["balanced_accuracy"] == 1.0
