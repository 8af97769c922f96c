"""Scores of single units for every layer of a model, and for the layer chosen within the training images."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from analysis.compare.read import CHOSEN
from analysis.neural import read as neural
from analysis.neural import readout, scoring
from analysis.neural.populations import Population
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.crossval import mean_of_defined, mean_pearson
from analysis.statistics.inference import Predictions
from analysis.statistics.predictivity import layer_choice, pls
from analysis.statistics.predictivity.above_chance import chance_p_values
from analysis.statistics.predictivity.nested import Nested


@dataclass(frozen=True)
class Predicted:
    """Out-of-fold predictions of one population from every layer, and from the chosen layer (`CHOSEN`).

    Attributes
    ----------
    measured : MeasuredPopulation
    groups : (n_images,) array of str
        Near-duplicate group of each image.
    folds : (n_repeats, n_images) int
        Fold in which each image is tested; -1 if never. A single fold if there are too few images.
    against : {"training", "test"}
        Reference of r2 (`pls.score`).
    layers : dict from layer to (n_repeats, n_images, n_units)
        NaN where nothing could be predicted.
    chosen : tuple of str
        Layer chosen in each repeat and fold; empty if there are too few images to choose.
    pls : dict from layer to two arrays as in `layers`
        Predictions of PLS with the number of components of Yamins et al. (2014), and of the report.
    """

    measured: neural.MeasuredPopulation
    groups: np.ndarray
    folds: np.ndarray
    against: str
    layers: dict[str, np.ndarray]
    chosen: tuple[str, ...]
    pls: dict[str, np.ndarray]

    @property
    def single(self) -> bool:
        """Whether each repeat is one random split into training and test images."""
        return all(len(np.unique(folds[folds >= 0])) == 1 for folds in self.folds) and (self.folds < 0).any()

    def r2(self, layer: str) -> np.ndarray:
        """Return r2 of each repeat and unit, (n_repeats, n_units)."""
        Y, scored = self.measured.population.responses, zip(self.layers[layer], self.folds, strict=True)
        return np.stack([pls.score(Y, one[None], folds[None], against=self.against).r2 for one, folds in scored])

    def unit_r2(self, layer: str) -> np.ndarray:
        """Return r2 of each unit, (n_units,): the mean over repeats, or the median over single splits.

        In some splits, a few test images with nearly equal responses make r2 hugely negative.
        """
        return (np.median if self.single else np.mean)(self.r2(layer), axis=0)

    def of(self, layer: str, corrected: bool = False) -> Predictions:
        """Return a layer's predictions for `predictivity_draws`; `corrected`: with r over a noise-free model's."""
        return Predictions(
            self.measured.population.responses,
            self.layers[layer],
            self.folds if self.against == "training" else None,
            self.groups,
            scoring.correction(self.measured.ceiling) if corrected else None,
        )


def predict_units(
    measured: neural.MeasuredPopulation,
    features: dict[str, np.ndarray],
    groups: dict[str, int],
    rules: Protocol,
    settings: Compare,
    seed: int,
) -> Predicted:
    """Predict a population from every layer, (n_images, n_features) each."""
    population = measured.population
    plan, fits = scoring.predict_layers(population, features, groups, rules, settings, seed)
    labels = np.array([str(groups[image]) for image in population.images])
    nothing = np.full((1, *population.responses.shape), np.nan)
    if plan is None:
        layers = dict.fromkeys([*features, CHOSEN], nothing)
        folds, by_pls = np.zeros((1, len(labels)), int), dict.fromkeys(layers, np.stack([nothing, nothing]))
        return Predicted(measured, labels, folds, "training", layers, (), by_pls)
    nothing = np.repeat(nothing, len(plan.folds), axis=0)
    layers = {layer: nothing for layer in [*features, CHOSEN]}
    layers |= {layer: np.stack([one.predicted for one in fits[layer]]) for layer in fits}
    numbers = (settings.yamins_components, settings.fixed_components)
    by_pls = {layer: _predict_by_pls(population.responses, X, plan, numbers) for layer, X in features.items()}
    by_pls[CHOSEN], chosen = np.stack([nothing, nothing]), ()
    choice = choose_layer(fits, population.responses, plan)
    if choice is not None:
        chosen = choice.layers
        layers[CHOSEN] = layer_choice.of_chosen_layers(chosen, layers, plan.folds)
        parts = ({layer: both[k] for layer, both in by_pls.items()} for k in range(2))
        by_pls[CHOSEN] = np.stack([layer_choice.of_chosen_layers(chosen, part, plan.folds) for part in parts])
    return Predicted(measured, labels, plan.folds, plan.against, layers, chosen, by_pls)


def choose_layer(fits: dict[str, list[Nested]], Y: np.ndarray, plan: scoring.Plan | None) -> layer_choice.Choice | None:
    """Return the predictions from the layer chosen within the training images of each fold, given all layers' fits.

    None if there are too few images to choose.
    """
    candidates = {layer: repeats for layer, repeats in fits.items() if np.isfinite(repeats[0].inner_r).any()}
    return layer_choice.choose(candidates, Y, plan.folds, against=plan.against) if candidates else None


def _predict_by_pls(Y: np.ndarray, X: np.ndarray, plan: scoring.Plan, numbers) -> np.ndarray:
    """Return PLS predictions with each number of components, or the maximum that images and features allow.

    Returns
    -------
    (n_numbers, n_repeats, n_images, n_units)
        NaN where no component is allowed.
    """
    shown = np.isfinite(Y)
    least = min(shown[folds != fold].sum(axis=0).min() for folds in plan.folds for fold in np.unique(folds[folds >= 0]))
    numbers = [min(number, least - 1, X.shape[1]) for number in numbers]
    out = np.full((len(numbers), *plan.folds.shape, Y.shape[1]), np.nan)
    if min(numbers) < 1:
        return out
    rising = sorted(set(numbers))
    for repeat, folds in enumerate(plan.folds):
        predicted = pls.cross_predict(X, Y, folds, rising, scale=plan.scale)
        out[:, repeat] = predicted[[rising.index(number) for number in numbers]]
    return out


def unit_rows(found: Predicted) -> list[dict]:
    """Return a row per layer and unit."""
    population, ceiling = found.measured.population, found.measured.ceiling
    rows = []
    for layer, predicted in found.layers.items():
        scores = pls.score(population.responses, predicted, found.folds, against=found.against)
        r2, r_corrected = found.unit_r2(layer), scores.pearson_r / scoring.correction(ceiling)
        p = chance_p_values(population.responses, predicted, found.folds, found.groups)
        r_yamins, r_report = (_mean_r(population.responses, one, found.folds) for one in found.pls[layer])
        for k, unit in enumerate(population.units):
            rows.append(
                {
                    "layer": layer,
                    "recording": population.recording,
                    "subject": population.subject,
                    "region": population.region,
                    "unit": unit,
                    "neuroid_id": population.neuroid_ids[k],
                    "n_images": len(population.images),
                    "r_corrected": r_corrected[k],
                    "r": scores.pearson_r[k],
                    "r2": r2[k],
                    "r_pls_yamins": r_yamins[k],
                    "r_pls_report": r_report[k],
                    "p_chance": p[k],
                    "ceiling": ceiling[k],
                }
            )
    return rows


def _mean_r(Y: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the mean r over folds and repeats of each unit, (n_units,)."""
    return mean_of_defined(np.stack([mean_pearson(Y, one, f) for one, f in zip(predicted, folds, strict=True)]))


def best_rows(population: Population, found: Predicted, rules: Protocol) -> list[dict]:
    """Return how often each layer was chosen, and the scores; no row if there are too few images to choose."""
    if not found.chosen:
        return []
    aggregate = scoring.AGGREGATION[rules.aggregation]
    scores = pls.score(population.responses, found.layers[CHOSEN], found.folds, against=found.against)
    r_corrected = scores.pearson_r / scoring.correction(found.measured.ceiling)
    return [
        {
            **readout.identify(population),
            "layers": " ".join(f"{layer}:{n}" for layer, n in Counter(found.chosen).most_common()),
            "r_corrected": aggregate(r_corrected),
            "r": aggregate(scores.pearson_r),
            "r2": aggregate(found.unit_r2(CHOSEN)),
        }
    ]
