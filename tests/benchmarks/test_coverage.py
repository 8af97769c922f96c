import json

import numpy as np
import pytest

from analysis.statistics import Predictions, pearson
from benchmarks.coverage import __main__ as coverage
from benchmarks.coverage import recordings


def test_true_r_is_that_over_many_images():
    rng = np.random.default_rng(0)
    one = recordings.Recording(n_units=30, noise=1.5, face=1.2, error=0.6)
    units = one.units(30, np.random.default_rng(4))
    latent = np.concatenate([recordings.draw_images(rng)[0] for _ in range(200)])

    class Same(recordings.Recording):
        def units(self, n, rng):
            return units

    same = Same(30, 1.5, 1.2, 0.6)
    found = recordings.observe(same, latent, np.zeros(len(latent), int), "", "fixed", rng)
    np.testing.assert_allclose(pearson(found[0].observed, found[0].predicted), same.true_r(30, rng), atol=0.03)
    assert abs(pearson(found[1].observed, found[1].predicted).mean() - same.true_r(30, rng).mean()) < 0.1


def test_experiments_differ_and_share_images_where_they_should():
    rng = np.random.default_rng(0)
    for same in (True, False):
        case = recordings.Case(3, same_images=same)
        brains = recordings.draw_recordings(case, rng)
        first, second = recordings.experiment(case, brains, rng)
        assert [one.observed.shape for one in first] == [(120, 12), (120, 30), (120, 20)]
        assert (set(first[0].groups) == set(first[1].groups)) == same
        np.testing.assert_array_equal(first[2].observed, second[2].observed)  # two models, one set of responses
        assert not np.array_equal(first[2].predicted, second[2].predicted)
    again = recordings.experiment(case, brains, rng)[0]
    assert not np.array_equal(again[0].observed, first[0].observed)


def test_ridge_never_sees_the_rows_that_it_predicts():
    rng = np.random.default_rng(0)
    X, Y, folds = rng.normal(size=(60, 4)), rng.normal(size=(60, 3)), np.arange(60) % 5
    before = recordings.ridge(X, Y, folds)
    Y[folds == 2] += 100
    after = recordings.ridge(X, Y, folds)
    np.testing.assert_array_equal(before[folds == 2], after[folds == 2])
    assert not np.allclose(before[folds != 2], after[folds != 2])


def test_a_summary_counts_hits_and_alarms():
    found = coverage.summary([(True, 0.2, False), (True, 0.4, True), (False, 0.3, False), (True, 0.3, False)], 0.01)
    assert found["coverage"] == 0.75
    assert found["width"] == pytest.approx(0.3)
    assert (found["false_alarms"], found["runs"], found["bias"]) == (0.25, 4, 0.01)
    assert found["standard_error"] == pytest.approx(np.sqrt(0.75 * 0.25 / 4))


def test_a_scaled_score_is_divided():
    y = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(coverage.unit_r(Predictions(y, y, scale=np.array([0.5, 2.0]))), [2, 0.5])


def piece(name, log):
    with log.open("a") as file:
        file.write(name)
    if name == "b" and log.with_name("broken").exists():
        raise RuntimeError("stopped")
    return {name: coverage.summary([(True, 0.1, False)])}


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setattr(coverage, "PIECES", [(piece, ("a", log)), (piece, ("b", log))])
    monkeypatch.setattr(coverage, "FIGURES", tmp_path)
    monkeypatch.setattr(coverage, "keep", lambda name, found: (tmp_path / f"{name}.json").write_text(json.dumps(found)))
    monkeypatch.setenv("NNN_WORKERS", "1")
    (tmp_path / "broken").touch()
    with pytest.raises(RuntimeError, match="stopped"):
        coverage.main()
    assert not (tmp_path / "coverage.json").exists()
    (tmp_path / "broken").unlink()
    coverage.main()
    assert log.read_text() == "abb"
    assert list(json.loads((tmp_path / "coverage.json").read_text())) == ["a", "b"]
    assert (tmp_path / "coverage.png").exists()
    assert not (tmp_path / "coverage.partial.json").exists()
