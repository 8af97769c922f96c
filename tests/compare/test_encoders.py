"""The maps that are kept: of the layer that predicts best, fitted to all images, and read as they were written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.preprocessing import StandardScaler

from analysis.compare import encoders, stage
from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.statistics.crossval import group_folds
from analysis.statistics.predictivity.ridge import ALPHAS

FOLDER = Path("results/compare/good")


@pytest.fixture
def compared(project):
    """The planted project with the model ``good`` compared, and its parameters."""
    values, _ = project
    stage.run(values, "good")
    return values


def features(images) -> np.ndarray:
    stems, X = activations.read("good", "top")
    return X[[stems.index(image) for image in images]].astype(float)


def test_maps_are_scikit_learn_s_ridge_on_all_images_with_the_penalty_chosen_in_the_same_folds(compared):
    found, measured = encoders.read("good"), list(neural.read_populations("corrected"))
    assert [(one.recording, one.region) for one in found] == [
        (one.population.recording, one.population.region) for one in measured
    ]
    groups = pd.read_csv("data/stimuli/images.csv").set_index("stem").group
    for encoder, one in zip(found, measured, strict=True):
        population = one.population
        assert encoder.layer == "top"
        assert encoder.n_images == len(population.images) == 60
        X, Y = features(population.images), population.responses
        seed = seed_of(compared.seed, "compare", population.recording, population.region)
        folds = group_folds(groups[list(population.images)].to_numpy(), 4, seed_of(seed, "folds", 0))
        Z = StandardScaler().fit_transform(X)
        penalties = np.array(ALPHAS) * np.mean(np.sum(Z**2, axis=1))
        predicted = encoder.map.predict(X)
        for k, y in enumerate(Y.T):
            search = GridSearchCV(Ridge(), {"alpha": penalties}, cv=PredefinedSplit(folds), scoring=summed_squares)
            np.testing.assert_allclose(predicted[:, k], search.fit(Z, y).predict(Z), rtol=1e-5)


def summed_squares(estimator, X, y):
    return -np.sum((estimator.predict(X) - y) ** 2)


def test_scores_are_those_of_the_chosen_layer(compared):
    units = pd.read_csv(FOLDER / "units.csv").query("layer == 'best'").set_index("neuroid_id")
    found = encoders.read("good")
    names = [unit for one in found for unit in one.units]
    assert sorted(names) == sorted(units.index)
    np.testing.assert_allclose(np.concatenate([one.score for one in found]), units.r[names])
    np.testing.assert_allclose(np.concatenate([one.ceiling for one in found]), units.ceiling[names])


def test_features_far_from_those_of_the_fitted_images_are_held_at_their_limit(compared):
    for one in encoders.read("good"):
        far = np.full((1, len(one.map.mean)), 1e9)
        limit = np.abs(one.map.weights).sum(axis=0) * np.sqrt(60)
        assert (np.abs(one.map.predict(far) - one.map.intercept) <= limit * 1.001).all()
        assert one.map.limit == pytest.approx(np.sqrt(60))


def test_the_report_s_protocol_keeps_none(project):
    values, _ = project
    stage.run(values, "reported")
    with pytest.raises(DataError, match=r"results/compare/reported/encoders\.json not found: run the stage compare"):
        encoders.read("reported")


def test_damaged_files_are_named(compared):
    whole = (FOLDER / "encoders.safetensors").read_bytes()
    (FOLDER / "encoders.safetensors").write_bytes(whole[:200])
    with pytest.raises(DataError, match=r"encoders\.safetensors is damaged .*: run the stage compare for good"):
        encoders.read("good")
    tensors = load_file_of(whole)
    tensors.pop("Aa000001-V1.mean")
    save_file(tensors, FOLDER / "encoders.safetensors")
    with pytest.raises(DataError, match="damaged"):
        encoders.read("good")
    (FOLDER / "encoders.safetensors").write_bytes(whole)
    about = json.loads((FOLDER / "encoders.json").read_text())
    about[0]["units"].pop()
    (FOLDER / "encoders.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match="8 encoders for 7 units of Aa000001-V1"):
        encoders.read("good")
    (FOLDER / "encoders.safetensors").unlink()
    with pytest.raises(DataError, match=r"encoders\.safetensors not found"):
        encoders.read("good")


def load_file_of(whole: bytes) -> dict:
    Path("whole.safetensors").write_bytes(whole)
    return load_file("whole.safetensors")
