"""All comparisons of one population with the layers of a model, as rows of the tables."""

import numpy as np

from analysis.compare import beyond_label, unit_scores
from analysis.core.seeds import seed_of
from analysis.neural import read as neural
from analysis.neural import readout, scoring
from analysis.neural.populations import Population
from analysis.params import Params
from analysis.params.protocol import Protocol
from analysis.statistics.rsa.significance import null_correlations


def compare_population(
    measured: neural.MeasuredPopulation,
    features: dict[str, np.ndarray],
    images: neural.Images,
    rules: Protocol,
    params: Params,
) -> tuple[dict[str, list[dict]], np.ndarray, unit_scores.Predicted]:
    """Compare a population with every layer, (n_images, n_features) each.

    Returns
    -------
    rows : dict from table (units, rsa, best, decoding, kernel, learning, beyond_label) to list of dict
    null : (1 + n_permutations, n_layers)
        RDM correlations, observed and under permutations of images (`null_correlations`); NaN without a geometry.
    predicted : Predicted
    """
    population, ceiling, settings = measured.population, measured.ceiling, params.compare
    seed = neural.seed_for(params.seed, population)
    predicted = unit_scores.predict_units(measured, features, images.groups, rules, settings, seed)
    task = images.task(population, rules, settings)
    top = list(features.values())[-1]
    rows = {
        "units": unit_scores.unit_rows(predicted),
        "best": unit_scores.best_rows(population, predicted, rules),
        **readout.model_rows(population, top, task, ceiling, settings, seed),
        "beyond_label": beyond_label.rows(measured, features, images, rules, settings, seed),
    }
    rdms = scoring.layer_rdms(population, features)
    if not rdms:
        return rows | {"rsa": []}, np.full((1 + settings.permutations, len(features)), np.nan), predicted
    neural_rdm = scoring.neural_rdm(population, rules)
    correlations = scoring.score_rdms(rdms, neural_rdm, settings, seed)
    null = null_correlations(list(rdms.values()), neural_rdm, settings.permutations, seed_of(seed, "permutations"))
    return rows | {"rsa": _rsa_rows(population, correlations, measured.rdm_ceilings)}, null, predicted


def _rsa_rows(population: Population, correlations: dict, ceilings: tuple[float, float]) -> list[dict]:
    """Return a row per layer."""
    return [
        {
            "layer": layer,
            **readout.identify(population),
            "rho": rho,
            "ci_low": low,
            "ci_high": high,
            "ceiling_lower": ceilings[0],
            "ceiling_upper": ceilings[1],
        }
        for layer, (rho, low, high) in correlations.items()
    ]
