"""Populations that are too small for one of the comparisons still have the others."""

import numpy as np
import pandas as pd
import pytest

from analysis.compare.by_population import compare_population
from analysis.neural import read as neural
from analysis.neural.populations import Population
from analysis.params.protocol import CORRECTED

STEMS = tuple(f"i{k:02d}" for k in range(20))


@pytest.mark.parametrize("n_units", [1, 4])
def test_a_population_without_a_geometry_is_predicted_but_has_no_rdm(project, n_units):
    values, _ = project
    rng = np.random.default_rng(0)
    features = {layer: rng.normal(size=(20, 6)) for layer in ("first", "top")}
    names = tuple(f"u{k}" for k in range(n_units))
    responses = features["top"][:, :n_units] + 0.1 * rng.normal(size=(20, n_units))
    population = Population("Aa000001", "Aa", "AIT", names, names, STEMS, responses, None)
    label = np.resize(["face", "non-face"], 20)
    images = neural.Images(
        pd.DataFrame({"stem": STEMS, "label": label, "group": range(20)}),
        pd.DataFrame({"category": label}, index=list(STEMS)),
    )
    measured = neural.MeasuredPopulation(population, np.full(n_units, 0.9), (np.nan, np.nan))
    rows, null, predicted = compare_population(measured, features, images, CORRECTED, values)
    assert len(rows["units"]) == 3 * n_units
    assert predicted.chosen == ("top",) * values.compare.folds
    np.testing.assert_array_equal(predicted.layers["best"], predicted.layers["top"])
    assert all(row["r2"] > 0.5 for row in rows["units"] if row["layer"] == "top")
    assert null.shape == (1 + values.compare.permutations, 2)
    assert len(rows["rsa"]) == (0 if n_units == 1 else 2)
    assert np.isnan(null).all() == (n_units == 1)
