"""Paired contrasts of models on the same images and units."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd

from analysis.compare import predictions
from analysis.compare.by_area import by_row
from analysis.compare.read import CHOSEN
from analysis.core import paths
from analysis.core.areas import AREAS, IT
from analysis.core.reading import damaged
from analysis.core.seeds import seed_of
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.params import Params
from analysis.params.protocol import PROTOCOLS
from analysis.statistics.inference import Predictions, contrast, holm, predictivity_draws
from analysis.statistics.inference.two_factor import ScoreDraws
from analysis.stimuli.read import read_table

COLUMNS = ["model", "other", "layer", "region", "n_units", "n_images", "difference", "low", "high", "p", "p_holm"]
FIRST = ("hmo", "report_hmo")
"""Kinds of model that are compared with others: HMO (Yamins et al. 2014), and the report's version."""
OTHERS = ("pixels", "gabor", "simple_cnn", "report_hmo_untrained", "category")
PROTOCOL = "corrected"


def pairs_of_kinds(params: Params) -> list[tuple[str, str]]:
    """Return the pairs of models of the kinds `FIRST` and `OTHERS` that run under the corrected protocol."""
    kinds: dict[str, list[str]] = {}
    for model in params.models.run:
        entry = params.models.entry(model)
        if entry.protocol == PROTOCOL:
            kinds.setdefault(entry.kind, []).append(model)
    return [pair for one, other in product(FIRST, OTHERS) for pair in product(kinds.get(one, []), kinds.get(other, []))]


def contrast_table(params: Params, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """Compare pairs of models, area by area.

    The score is the median noise-corrected r over the units of an area. All models are scored on the same bootstrap
    draws of images and units within recordings, with their predictions held fixed.

    Returns
    -------
    DataFrame of `COLUMNS`
        ``layer``: `CHOSEN` (the layer chosen within the training images) or `predictions.TOP`; ``difference``: first
        minus second; ``p_holm``: corrected for the contrasts of an area and layer (Holm 1979).
    """
    models = list(dict.fromkeys(model for pair in pairs for model in pair))
    measured = {(m.population.recording, m.population.region): m for m in neural.read_populations(PROTOCOL)}
    groups = read_table().set_index("stem")["group"]
    draws = {model: dict(score_draws(params, model, measured, groups)) for model in models}
    rows = []
    for layer, region in product((CHOSEN, predictions.TOP), (*AREAS, IT)):
        family = []
        for model, other in pairs:
            one, two = (draws[name].get((layer, region)) for name in (model, other))
            if one is None or two is None or one.design != two.design:  # one model cannot predict some units
                continue
            found = contrast(one, two)
            family.append({"model": model, "other": other, "layer": layer, "region": region, **vars(found)})
        adjusted = holm(np.array([row["p"] for row in family]))
        rows += [row | {"p_holm": p} for row, p in zip(family, adjusted, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)


def score_draws(
    params: Params,
    model: str,
    measured: dict[tuple[str, str], neural.MeasuredPopulation],
    groups: pd.Series,
    corrected: bool = True,
) -> Iterator[tuple[tuple[str, str], ScoreDraws]]:
    """Yield the bootstrap draws of a model's median r for each layer and area, `corrected` for noise or not."""
    by_area: dict[str, list] = {}
    for one in predictions.read(model):
        population = measured[one.recording, one.region].population if (one.recording, one.region) in measured else None
        if population is None or (population.images, population.units) != (one.images, one.units):
            path = paths.RESULTS / "compare" / model / predictions.FILE
            why = f"{one.recording}, {one.region} has different images or units from data/neural/{PROTOCOL}"
            raise damaged(path, why, f"run the stage compare for {model}")
        by_area.setdefault(one.region, []).append(one)
    for (region, found), layer in product(by_area.items(), (CHOSEN, predictions.TOP)):
        recordings = [
            as_predictions(one, layer, measured[one.recording, one.region], groups, corrected) for one in found
        ]
        aggregate = by_row(scoring.AGGREGATION[PROTOCOLS[PROTOCOL].aggregation])
        options = {"n_draws": params.compare.bootstrap, "seed": seed_of(params.seed, "layers", region)}
        yield (layer, region), predictivity_draws(recordings, "r", aggregate, **options)


def as_predictions(
    one: predictions.PopulationPredictions,
    layer: str,
    measured: neural.MeasuredPopulation,
    groups: pd.Series,
    corrected: bool,
) -> Predictions:
    """Return a layer's predictions of a population, in the form that `predictivity_draws` takes."""
    return Predictions(
        measured.population.responses,
        one.layers[layer],
        one.folds,
        [groups[image] for image in one.images],
        scoring.correction(measured.ceiling) if corrected else None,
    )
