import numpy as np
import pandas as pd
import pytest

from analysis.audit.flaws import face_labels, trial_join
from analysis.recordings.main_file import read_session


def test_trial_join_errors_of_a_real_recording(reference):
    main = reference / "000628" / "sub-An" / "sub-An_ses-20220105T173929_image.nwb"
    rows = {row["join"]: row for row in trial_join.count_errors(read_session(main), "An220105")}
    flawed, right = rows["row"], rows["trial_id"]
    assert (flawed["right"], flawed["wrong"], flawed["none"]) == (3, 626, 226)
    assert flawed["fixations_labelled"] == 4619
    assert round(100 * flawed["fixations_right"] / flawed["fixations_labelled"], 2) == 0.26
    assert (right["right"], right["wrong"], right["none"]) == (855, 0, 0)
    assert flawed["fixations_no_image"] / flawed["fixations_labelled"] == pytest.approx(0.39, abs=0.01)
    assert right["fixations_right"] + right["fixations_no_image"] == right["fixations_labelled"]


def test_faces_that_the_reports_file_names_miss(reference):
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
    face_like = face_labels.is_face_like(images["category"])
    assert face_like.sum() == 563
    assert (face_like & (images["label_report"] == "non-face")).sum() == 64
    rows = face_labels.count_by_category(images).set_index("category")
    assert rows["images"].sum() == 4250
    assert rows["called_face"].sum() == 506


def test_file_format_score_by_hand():
    #          train: faces mostly jpg, others mostly png        test
    extension = [".jpg", ".JPG", ".png", ".png", ".png", ".jpg", ".jpg", ".png", ".png", ".jpg", ".gif"]
    label = ["face"] * 3 + ["non-face"] * 3 + ["face", "face", "non-face", "non-face", "unlabelled"]
    split = ["train"] * 6 + ["test"] * 5
    found = face_labels.score_file_format(np.array(extension), np.array(label), np.array(split))
    assert found["n_test"] == 4
    assert found["accuracy"] == found["balanced_accuracy"] == 0.5
    assert found["share_jpg_face"] == pytest.approx(3 / 5)
    assert found["share_jpg_non_face"] == pytest.approx(2 / 5)


def test_a_format_that_determines_the_label_scores_perfectly():
    extension = np.array([".jpg"] * 10 + [".png"] * 10)
    label = np.array(["face"] * 10 + ["non-face"] * 10)
    split = np.array((["train"] * 5 + ["test"] * 5) * 2)
    assert face_labels.score_file_format(extension, label, split)["balanced_accuracy"] == 1.0
