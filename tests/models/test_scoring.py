import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from analysis.models import data
from analysis.models.train import scoring
from analysis.params.protocol import CORRECTED


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
