"""The stage ``neural``: populations of the planted project under both protocols, as written and read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.cross_decomposition import PLSRegression
from sklearn.metrics import r2_score

from analysis.core.errors import DataError
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural import stage as neural_stage
from analysis.neural.populations import Population, compared_images, populations
from analysis.params.protocol import CORRECTED, REPORT


def test_report_protocol_scores_one_split_as_scikit_learn_does(project):
    values, _ = project
    rng = np.random.default_rng(0)
    images = tuple(f"i{k}" for k in range(40))
    X = rng.normal(size=(40, 6))
    Y = X @ rng.normal(size=(6, 3)) + rng.normal(size=(40, 3))
    population = Population("merged", "", "AIT", ("a", "b", "c"), ("a", "b", "c"), images, Y, None)
    groups = dict(zip(images, range(40), strict=True))
    r2, _ = scoring.predictivity(population, {"top": X}, groups, REPORT, values.compare, 3)["top"]
    scores = []
    for folds in scoring.plan_predictions(images, groups, REPORT, values.compare, 3).folds:
        train, test = folds < 0, folds == 0
        fits = [PLSRegression(4, tol=1e-12).fit(X[train], y[train]).predict(X[test]).ravel() for y in Y.T]
        scores.append([r2_score(y[test], guess) for y, guess in zip(Y.T, fits, strict=True)])
    np.testing.assert_allclose(r2, np.mean(scores, axis=0))


def test_merged_table_keeps_the_last_row_and_fills_over_all_rows(project, monkeypatch):
    two = {"Aa000003": [[1.0, 2.0], [3.0, 4.0]], "Bb000002": [[10.0], [30.0]]}
    images = {"Aa000003": ["a", "b"], "Bb000002": ["b", "c"]}

    def recordings(*_, **__):
        for name, counts in two.items():
            n = len(counts[0])
            yield xr.Dataset(
                {"image_count": (("image", "unit"), np.array(counts))},
                coords={"image": images[name], "unit": [str(k) for k in range(n)], "region": ("unit", ["AIT"] * n)},
            )

    monkeypatch.setattr("analysis.recordings.read.all_recordings", recordings)
    (merged,) = populations("report", REPORT, {"a", "b", "c"})
    assert merged.images == ("a", "b", "c")
    # b of the second recording replaces that of the first; column 1 of b and c is the mean of what is left: 2.
    np.testing.assert_allclose(merged.responses, [[1, 2], [10, 2], [30, 2]])
    (part,) = populations("report", REPORT, {"b"})
    np.testing.assert_allclose(part.responses, [[10, 2]])


def test_unselected_fixations_and_single_units_areas(project):
    found = list(populations("corrected", CORRECTED, {f"{k:032x}" for k in range(60)}))
    assert [(p.recording, p.region, len(p.units)) for p in found] == [
        ("Aa000001", "V1", 8),
        ("Aa000003", "AIT", 8),
        ("Bb000002", "CIT", 4),
        ("Bb000002", "AIT", 4),
    ]
    assert max(p.responses.max() for p in found) < 100  # unselected fixations carry 500 spikes/s more


def test_untrained_images_leave_out_the_training_split(project):
    values, _ = project
    images = pd.read_csv("data/stimuli/images.csv", dtype={"stem": str})
    chosen = compared_images(images, CORRECTED, values.compare.model_copy(update={"images": "untrained"}))
    assert set(chosen) == set(images.stem[images.split != "train"])
    assert len(compared_images(images, CORRECTED, values.compare)) == 60
    assert set(compared_images(images, REPORT, values.compare)) == set(images.stem[images.split_report == "test"])


def test_the_neural_side_is_the_same_twice_and_read_as_written(project):
    values, _ = project
    before = {p.name: p.read_bytes() for p in Path("data/neural/corrected").iterdir()}
    neural_stage.run(values, "corrected")
    assert {p.name: p.read_bytes() for p in Path("data/neural/corrected").iterdir()} == before
    stems = {f"{k:032x}" for k in range(60)}
    for found, population in zip(
        neural.read_populations("corrected"), populations("corrected", CORRECTED, stems), strict=True
    ):
        np.testing.assert_array_equal(found.population.responses, population.responses)
        assert found.population.images == population.images
        seed = neural.seed_for(values.seed, population)
        np.testing.assert_array_equal(found.ceiling, scoring.unit_ceilings(population))
        assert found.rdm_ceilings == scoring.rdm_ceilings(population, CORRECTED, values.compare, seed)


def test_a_damaged_or_missing_neural_side_says_what_to_run(project):
    values, _ = project
    folder = Path("data/neural/corrected")
    np.save(folder / "Aa000001-V1.npy", np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"Aa000001-V1.npy .* run the stage neural for corrected"):
        list(neural.read_populations("corrected"))
    (folder / "Aa000001-V1.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"V1.npy is damaged .* run the stage neural for corrected again"):
        list(neural.read_populations("corrected"))
    (folder / "populations.json").write_text("[{")
    with pytest.raises(DataError, match=r"populations.json is damaged .* run the stage neural for corrected again"):
        list(neural.read_populations("corrected"))
    (folder / "populations.json").unlink()
    with pytest.raises(DataError, match=r"populations.json not found: run the stage neural for corrected"):
        list(neural.read_populations("corrected"))
    with pytest.raises(DataError, match="unknown protocol 'own'"):
        neural_stage.run(values, "own")


def test_outliers_are_dropped_only_by_the_reports_median():
    values = np.array([0.1, 0.2, 0.3, 0.4, -50.0, np.nan])
    assert scoring.median(values) == pytest.approx(0.2)
    assert scoring.median_without_outliers(values) == pytest.approx(0.25)
    for rows in (np.random.default_rng(n).standard_t(2, size=(30, n)) for n in range(1, 14)):
        low, high = np.quantile(rows, [0.25, 0.75], axis=1)
        reach = 1.5 * (high - low)
        kept = [row[(row >= a) & (row <= b)] for row, a, b in zip(rows, low - reach, high + reach, strict=True)]
        found = scoring.BY_ROW[scoring.median_without_outliers](rows)
        np.testing.assert_array_equal(found, [np.median(row) for row in kept])
        assert [scoring.median_without_outliers(row) for row in rows] == found.tolist()
    assert np.isnan(scoring.median(np.array([np.nan])))
