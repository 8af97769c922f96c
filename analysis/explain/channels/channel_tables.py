"""Tables of a model's channels and layers, and of what is lost when its face channels are silenced."""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.areas import AREAS
from analysis.core.seeds import seed_of
from analysis.explain.channels import face_channels, lesions
from analysis.explain.channels.face_channels import Layer
from analysis.explain.mean_intervals import bootstrap_means
from analysis.explain.opened_networks import LayerNotOpened
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.neural.populations import populations
from analysis.neural.scoring import LEAST_IMAGES, LEAST_UNITS
from analysis.params import Explain, Model
from analysis.recordings.face_selectivity import FACE_SELECTIVE
from analysis.statistics.crossval import group_folds
from analysis.statistics.inference import percentile_interval

CHANNELS = ["model", "layer", "channel", "fsi", "activation"]
LAYERS = ["model", "weights", "layer", "n_channels", "n_active", "n_face", "median_fsi"]
LESIONS = [
    *["model", "layer", "share", "k", "level_face", "level_control", "measure", "region", "n"],
    *["intact", "face", "control", "loss", "ci_low", "ci_high"],
]
LESIONED_LAYERS = 2
"""Number of layers that are lesioned, the last ones of a network."""


@dataclass(frozen=True)
class Halves:
    """Two halves of the images, to choose channels and to measure effects; near-duplicates are in the same half.

    Attributes
    ----------
    label : (n_images,) int
        1 face, 0 non-face, -1 unlabelled.
    unseen : (n_images,) bool
        Not in the training split, and so used for accuracy.
    groups : (n_images,)
        Near-duplicate group.
    choose, test : (n_images,) bool
    """

    label: np.ndarray
    unseen: np.ndarray
    groups: np.ndarray
    choose: np.ndarray
    test: np.ndarray

    @classmethod
    def draw(cls, examples: Examples, seed: int) -> "Halves":
        """Divide images at random."""
        groups = examples.table["group"].to_numpy()
        half = group_folds(groups, 2, seed_of(seed, "explain", "halves"))
        return cls(examples.label, examples.split != "train", groups, half == 0, half == 1)


LARGEST_LEVEL_GAP = 0.25
"""Largest difference in mean activation between control and chosen channels, as a share of the latter."""


@dataclass(frozen=True)
class LesionSets:
    """The channels of one lesion and their controls.

    Attributes
    ----------
    share : float
        Share of the active channels that is silenced, the most selective ones.
    chosen : (k,) int
        These channels.
    masks : (1 + 1 + n_controls, n_channels)
        Masks that silence nothing, the chosen channels, and each set of control channels.
    levels : (float, float)
        Mean activation of the chosen channels and of the controls.
    """

    share: float
    chosen: np.ndarray
    masks: np.ndarray
    levels: tuple[float, float]


def layer_rows(recorded: dict[str, Layer], halves: Halves, weights: str) -> list[dict]:
    """Count active and face-selective channels of each layer, over all images (`LAYERS` without the model)."""
    rows = []
    for name, layer in recorded.items():
        index = face_channels.selectivity(layer.response, halves.label == 1, halves.label == 0)
        active = np.isfinite(index)
        rows.append(
            {
                "weights": weights,
                "layer": name,
                "n_channels": len(index),
                "n_active": int(active.sum()),
                "n_face": int((index[active] >= FACE_SELECTIVE).sum()),
                "median_fsi": float(np.median(index[active])) if active.any() else np.nan,
            }
        )
    return rows


def channel_rows(recorded: dict[str, Layer], halves: Halves) -> list[dict]:
    """Return index and mean activation of each channel on the choosing half (`CHANNELS` without the model)."""
    return [
        {"layer": name, "channel": channel, "fsi": index, "activation": level}
        for name, layer in recorded.items()
        for channel, (index, level) in enumerate(
            zip(_index(layer, halves), layer.response[halves.choose].mean(axis=0), strict=True)
        )
    ]


def _index(layer: Layer, halves: Halves) -> np.ndarray:
    label = halves.label[halves.choose]
    return face_channels.selectivity(layer.response[halves.choose], label == 1, label == 0)


def choose_lesions(layer: Layer, halves: Halves, values: Explain, seed: int) -> list[LesionSets]:
    """Choose the channels to silence for each share, and their controls, on the choosing half.

    A share is skipped if it gives as many channels as a smaller one or more than half of the active channels, or if the
    layer has no controls whose mean activation matches within `LARGEST_LEVEL_GAP`.
    """
    index, response = _index(layer, halves), layer.response[halves.choose]
    lesion_sets: list[LesionSets] = []
    for share in values.lesion_shares:
        chosen = face_channels.most_selective(index, share)
        active = int(np.isfinite(index).sum())
        if 2 * len(chosen) > active or (lesion_sets and len(lesion_sets[-1].chosen) == len(chosen)):
            continue
        drawn = face_channels.matched_controls(
            chosen, response, values.lesion_draws, seed_of(seed, "controls", len(chosen))
        )
        masks = face_channels.lesion_masks(np.concatenate([chosen[None], drawn]), len(index))
        level = response.mean(axis=0)
        levels = float(level[chosen].mean()), float(level[drawn].mean())
        if abs(levels[1] - levels[0]) > LARGEST_LEVEL_GAP * levels[0]:
            continue
        lesion_sets.append(LesionSets(share, chosen, np.concatenate([np.ones((1, len(index))), masks]), levels))
    return lesion_sets


def lesion_rows(
    network: Network,
    inputs: torch.Tensor,
    recorded: dict[str, Layer],
    halves: Halves,
    examples: Examples,
    entry: Model,
    values: Explain,
    seed: int,
) -> list[dict]:
    """Lesion the last layers of a network and measure what is lost (`LESIONS` without the model).

    Parameters
    ----------
    network : Network
    inputs : float tensor (n_images, 3, size, size)
    recorded : dict from layer to Layer, of all images
    halves, examples, entry, values, seed
        Halves of the images; images; entry of the model; parameters of the stage; seed of the project.
    """
    layers = list(recorded)[-LESIONED_LAYERS:]
    chosen = {name: choose_lesions(recorded[name], halves, values, seed_of(seed, "lesion", name)) for name in layers}
    rows = []
    for name, lesioned in chosen.items():
        rows += accuracy_rows(network, inputs, name, lesioned, halves, values, seed)
    rows += neural_rows(recorded, chosen, halves, examples, entry, values, seed)
    return rows


def _row(layer: str, lesion: LesionSets, measure: str, region: str, n: int, scores: np.ndarray, limits) -> dict:
    """Return one row; for `scores` (1 + 1 + n_controls,) see `lesion_loss`."""
    return {
        "layer": layer,
        "share": lesion.share,
        "k": len(lesion.chosen),
        "level_face": lesion.levels[0],
        "level_control": lesion.levels[1],
        "measure": measure,
        "region": region,
        "n": n,
        "intact": scores[0],
        "face": scores[1],
        "control": scores[2:].mean(),
        "loss": lesion_loss(scores),
        "ci_low": limits[0],
        "ci_high": limits[1],
    }


def lesion_loss(scores: np.ndarray) -> np.ndarray:
    """Return the loss from silencing the face channels, beyond that from the controls.

    This is the mean of differences, not the difference of means, so that it is exactly 0 if no set changes anything.

    Parameters
    ----------
    scores : (1 + 1 + n_controls, ...)
        Scores with nothing, the face channels, and each set of controls silenced.
    """
    return (scores[2:] - scores[1]).mean(axis=0)


def accuracy_rows(
    network: Network,
    inputs: torch.Tensor,
    layer: str,
    lesioned: list[LesionSets],
    halves: Halves,
    values: Explain,
    seed: int,
) -> list[dict]:
    """Return balanced accuracy with each lesion, on the test half's labelled images that were not used in training."""
    rows = np.flatnonzero(halves.test & halves.unseen & (halves.label >= 0))
    label = halves.label[rows]
    if not lesioned or len(set(label)) < 2:
        return []
    try:
        predicted = lesions.predict_classes(
            network, layer, inputs[torch.from_numpy(rows)], _concatenate_masks(lesioned)
        )
    except LayerNotOpened as reason:
        print(f"explain: layer {layer} is not lesioned: {reason}")
        return []
    weight = np.where(label == 1, 0.5 / (label == 1).mean(), 0.5 / (label == 0).mean())
    parts = np.split((predicted == label) * weight, len(lesioned))  # their means are balanced accuracies
    losses = np.stack([lesion_loss(part) for part in parts], axis=1)
    _, low, high = bootstrap_means(losses, halves.groups[rows], values.bootstrap, seed_of(seed, "accuracy"))
    return [
        _row(layer, lesion, "accuracy", "", len(rows), part.mean(axis=1), limits)
        for lesion, part, limits in zip(lesioned, parts, zip(low, high, strict=True), strict=True)
    ]


def _concatenate_masks(lesioned: list[LesionSets]) -> np.ndarray:
    return np.concatenate([lesion.masks for lesion in lesioned])


def neural_rows(
    recorded: dict[str, Layer],
    chosen: dict[str, list[LesionSets]],
    halves: Halves,
    examples: Examples,
    entry: Model,
    values: Explain,
    seed: int,
) -> list[dict]:
    """Return predictivity and RDM correlation in each area with each lesion, over the test half of the images."""
    row_of = {stem: row for row, stem in enumerate(examples.table["stem"])}
    found: dict[tuple, list] = {}
    for population in populations("corrected", entry.rules, set(row_of)):
        rows = np.array([row_of[stem] for stem in population.images])
        train, test = np.flatnonzero(halves.choose[rows]), np.flatnonzero(halves.test[rows])
        if min(len(train), len(test)) < max(LEAST_IMAGES, values.components + 2):
            continue
        draw = seed_of(seed, "lesion", population.recording)
        for layer in (layer for layer in chosen if chosen[layer]):
            given = population, recorded[layer].features[rows], _concatenate_masks(chosen[layer])
            r = lesions.predictivity(*given, train, test, values.components)
            found.setdefault(("predictivity", population.region, layer), []).append((r, population.recording))
            if len(population.units) >= LEAST_UNITS:
                both = lesions.similarity(*given, test, values.bootstrap, draw)
                found.setdefault(("rho", population.region, layer), []).append(both)
    order = sorted(found, key=lambda key: (key[0], AREAS.index(key[1]), list(chosen).index(key[2])))
    return [row for key in order for row in AVERAGE[key[0]](key, found[key], chosen[key[2]], values, seed)]


def _average_predictivity(
    key: tuple, parts: list, lesioned: list[LesionSets], values: Explain, seed: int
) -> list[dict]:
    """Return mean r over the units of an area; the bootstrap draws recordings, or units if there is one recording."""
    measure, region, layer = key
    r = np.concatenate([scores for scores, _ in parts], axis=1)
    recordings = np.concatenate([[name] * scores.shape[1] for scores, name in parts])
    known = np.isfinite(r).all(axis=0)
    r, recordings = r[:, known], recordings[known]
    if not known.any():
        return []
    split = np.split(r, len(lesioned))
    losses = np.stack([lesion_loss(part) for part in split], axis=1)
    _, low, high = bootstrap_means(losses, recordings, values.bootstrap, seed_of(seed, "lesion", region))
    return [
        _row(layer, lesion, measure, region, r.shape[1], part.mean(axis=1), limits)
        for lesion, part, limits in zip(lesioned, split, zip(low, high, strict=True), strict=True)
    ]


def _average_rho(key: tuple, parts: list, lesioned: list[LesionSets], values: Explain, seed: int) -> list[dict]:
    """Return mean rho over the populations of an area; the bootstrap draws the images of each."""
    measure, region, layer = key
    rho, draws = (np.mean([part[k] for part in parts], axis=0) for k in (0, 1))
    split = zip(lesioned, np.split(rho, len(lesioned)), np.split(draws.T, len(lesioned)), strict=True)
    return [
        _row(layer, lesion, measure, region, len(parts), scores, percentile_interval(lesion_loss(drawn)))
        for lesion, scores, drawn in split
    ]


AVERAGE = {"predictivity": _average_predictivity, "rho": _average_rho}
"""How each neural measure is averaged over the populations of an area."""
