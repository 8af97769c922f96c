"""Labels, splits and scores of the images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import data
from analysis.models.train import scoring
from analysis.params.protocol import CORRECTED, REPORT

CSV = "data/stimuli/images.csv"


def test_a_protocol_chooses_labels_splits_and_selection(project):
    corrected, report = data.load(CORRECTED), data.load(REPORT)
    table = pd.read_csv(CSV, keep_default_na=False)
    assert corrected.selection == "validation"
    assert report.selection == "test"
    assert (corrected.label == -1).sum() == 4
    assert not (report.label == -1).any()
    np.testing.assert_array_equal(
        corrected.rows("test"), np.flatnonzero((table.split == "test") & (table.label != "unlabelled"))
    )
    np.testing.assert_array_equal(report.rows("test"), np.flatnonzero(table.split_report == "test"))
    np.testing.assert_array_equal(report.label == 1, table.label_report == "face")
    assert len(report.rows("train")) + len(report.rows("test")) < len(table)


@pytest.mark.parametrize(
    ("column", "value", "where", "said"),
    [
        ("label", "non-face", {"split": "validation"}, "no image labelled face .* in the split validation"),
        ("label", "unlabelled", {"split": "train"}, "no image labelled non-face .* in the split train"),
        ("label", "fase", {"split": "test"}, "label = 'fase' is not a label"),
        ("split", "trian", {"split": "train"}, "split = 'trian' is not a split"),
    ],
)
def test_unusable_tables_are_refused(project, column, value, where, said):
    table = pd.read_csv(CSV, keep_default_na=False)
    ((key, there),) = where.items()
    table.loc[table[key] == there, column] = value
    table.to_csv(CSV, index=False)
    with pytest.raises(DataError, match=said):
        data.load(CORRECTED)


def test_missing_column_and_rows(project):
    table = pd.read_csv(CSV, keep_default_na=False)
    table.drop(columns="label_report").to_csv(CSV, index=False)
    with pytest.raises(DataError, match=r"images\.csv is damaged \(no column label_report\)"):
        data.load(REPORT)
    table.head(-1).to_csv(CSV, index=False)
    with pytest.raises(DataError, match=r"images\.csv has 79 rows for 80 images"):
        data.load(CORRECTED)


def test_cut_or_missing_images(project):
    from pathlib import Path

    path = Path("data/stimuli/images.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"images\.npy .*run the stage stimuli"):
        data.load(CORRECTED)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"images\.npy .*run the stage stimuli"):
        data.load(CORRECTED)
    path.unlink()
    with pytest.raises(DataError, match=r"images\.npy .*run the stage stimuli"):
        data.load(CORRECTED)


def test_resizing_averages_and_keeps_bytes():
    images = np.zeros((3, 3, 8, 8), np.uint8)
    images[:, :, :, 4:] = 200
    small = data.resized(images, 2, chunk=2).numpy()
    assert small.dtype == np.uint8
    assert small.shape == (3, 3, 2, 2)
    assert (small[..., 0] < small[..., 1]).all()
    # Anti-aliased: columns that alternate give their mean, not one of them.
    images[:] = np.where(np.arange(8) % 2, 200, 0)
    assert np.abs(data.resized(images, 2).numpy().astype(int) - 100).max() <= 10
    np.testing.assert_array_equal(data.resized(images, 8).numpy(), images)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 7), (430, 500)])
def test_wilson_interval_against_scipy(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(scoring.wilson(hits, n), (expected.low, expected.high), atol=1e-12)


def test_accuracies_against_sklearn(project):
    examples = data.load(CORRECTED)
    logits = np.random.default_rng(3).normal(size=(80, 2))
    table = scoring.predictions(examples, logits)
    rows = examples.rows("test")
    predicted = (logits[rows, 1] > logits[rows, 0]).astype(int)
    test = scoring.accuracy(table)["test"]
    assert test["n"] == len(rows)
    assert test["accuracy"] == pytest.approx((predicted == examples.label[rows]).mean())
    assert test["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(examples.label[rows], predicted))
    np.testing.assert_allclose(table["score"], np.exp(logits[:, 1]) / np.exp(logits).sum(1), atol=1e-6)
    assert (table["label"] == "").sum() == 4


def test_images_without_split_do_not_count():
    table = pd.DataFrame(
        {
            "split": ["test", "test", "", "train"],
            "label": ["face", "non-face", "face", ""],
            "predicted": ["face", "face", "non-face", "face"],
        }
    )
    assert scoring.accuracy(table)["test"]["accuracy"] == 0.5
    assert "train" not in scoring.accuracy(table)


def test_images_may_lack_a_class_if_some_are_missing_or_the_authors_annotated_none(project):
    missing = Path("data/stimuli/missing.csv")
    missing.write_text("path,reason,recordings\n")
    assert data.excuse() is None
    table = pd.read_csv(CSV, keep_default_na=False).assign(annotated=False)
    table.to_csv(CSV, index=False)
    assert data.excuse() is None  # of the reader's own, whose labels are the reader's to give
    paths.DANDISET.mkdir(parents=True)
    assert "the authors annotated none of the images" in data.excuse()
    table.assign(annotated=table.index == 0).to_csv(CSV, index=False)
    assert data.excuse() is None
    missing.write_text("path,reason,recordings\nStimuli/x.png,not in the archive,2\n")
    assert "images are missing" in data.excuse()
