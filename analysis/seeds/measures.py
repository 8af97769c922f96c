"""The primary scores of a model: accuracy and, in each area, predictivity and RDM correlations.

They are the scores of the stage ``compare``, with the same folds but without intervals and tests.
"""

from collections.abc import Callable, Sequence

import numpy as np

from analysis.compare.beyond_label import ALL, Labels
from analysis.compare.read import CHOSEN, read_scores
from analysis.compare.unit_scores import choose_layer
from analysis.core.areas import AREAS, IT
from analysis.core.parallel import one_thread
from analysis.models.activations import read as activations
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.ceilings import noise_corrected
from analysis.statistics.rsa.partial import label_rdms, partial_rho
from analysis.statistics.rsa.rdm import rdm

ACCURACY, PREDICTIVITY = "accuracy", "r_corrected"
GIVEN = {"rho": None, "rho_given_label": "label", "rho_given_category": "category", "rho_given_both": "both"}
"""RDM correlations (Spearman), and which field of `Labels` each holds constant."""


def read_main(model: str) -> list[dict]:
    """Return the scores of the main model, from the outputs of the stages ``train`` and ``compare``."""
    splits = activations.read_metrics(model)["splits"]
    rows = [accuracy_row(splits["test"]["accuracy"])] if splits else []
    layers, shared = read_scores(model, "layers"), read_scores(model, "beyond_label")
    layers, shared = layers[layers["layer"] == CHOSEN], shared[shared["recording"] == ALL]
    found = [_row(one.region, PREDICTIVITY, one.r_corrected, CHOSEN) for one in layers.itertuples()]
    found += [_row(one.region, one.measure, one.value, one.layer) for one in shared.itertuples()]
    return rows + in_order(found)


def accuracy_row(value: float) -> dict:
    """Return the row of the accuracy on test images."""
    return _row("", ACCURACY, value, "")


def in_order(rows: list[dict]) -> list[dict]:
    """Return the rows of the area measures, sorted by area and measure."""
    areas, measures = (*AREAS, IT), (PREDICTIVITY, *GIVEN)
    rows = [row for row in rows if row["measure"] in measures]
    return sorted(rows, key=lambda row: (areas.index(row["region"]), measures.index(row["measure"])))


def score_areas(
    measured: Sequence[neural.MeasuredPopulation],
    features_of: Callable[[Population], dict[str, np.ndarray]],
    images: neural.Images,
    rules: Protocol,
    settings: Compare,
    seed: int,
) -> list[dict]:
    """Score a model in every area.

    Predictivity is the median over an area's units of the noise-corrected r of the layer chosen within the training
    images of each fold; RDM correlations are those of the top layer, averaged over recordings.

    Parameters
    ----------
    measured : sequence of MeasuredPopulation
    features_of : function of a population
        Returns the features of each layer, (n_images, n_features), in order of depth.
    images : Images
    rules : Protocol
    settings : Compare
        Only ``fixed_components``, ``folds``, ``repeats`` and ``splits`` are used.
    seed : int
        Seed of the whole run, which determines the folds.

    Returns
    -------
    list of dict
        A row for each area and measure.
    """
    units: dict[str, list[np.ndarray]] = {}
    rhos: dict[tuple[str, str, str], list[float]] = {}
    with one_thread():
        for one in measured:
            population, features = one.population, features_of(one.population)
            here = neural.seed_for(seed, population)
            plan, fits = scoring.predict_layers(population, features, images.groups, rules, settings, here)
            choice = choose_layer(fits, population.responses, plan)
            r = np.full(len(population.units), np.nan) if choice is None else choice.prediction.pearson_r
            units.setdefault(population.region, []).append(np.stack([r, one.ceiling]))
            layer, top = list(features.items())[-1]
            for measure, rho in correlate_rdms(population, top, Labels(population, images, rules)).items():
                rhos.setdefault((population.region, measure, layer), []).append(rho)
    rows = [
        _row(region, PREDICTIVITY, summarise(*np.concatenate(parts, axis=1), rules), CHOSEN)
        for region, parts in units.items()
    ]
    for (region, measure, layer), values in rhos.items():
        if np.isfinite(values).any():
            rows.append(_row(region, measure, np.nanmean(values), layer))
    return in_order(rows)


def summarise(r: np.ndarray, ceiling: np.ndarray, rules: Protocol) -> float:
    """Return the median over units of the noise-corrected `r` (n_units,); NaN if the median unit has no reliability."""
    aggregate = scoring.AGGREGATION[rules.aggregation]
    known = np.isfinite(aggregate(noise_corrected(r, ceiling)))
    return aggregate(r / scoring.correction(ceiling)) if known else np.nan


def correlate_rdms(population: Population, X: np.ndarray, labels: Labels) -> dict[str, float]:
    """Return the correlations `GIVEN` between the RDMs of a population and of features `X` (n_images, n_features).

    Empty if there are too few images or units for an RDM.
    """
    if scoring.too_small(population):
        return {}
    model, units = rdm(X), rdm(scoring.standardise(population.responses))
    found = {}
    for measure, name in GIVEN.items():
        given = [] if name is None else label_rdms(getattr(labels, name))
        found[measure] = partial_rho(model, units, given, n_permutations=0, n_draws=0).partial
    return found


def _row(region: str, measure: str, value: float, layer: str) -> dict:
    return {"region": region, "measure": measure, "value": scoring.number(value), "layer": layer}
