"""What the face channels of a model carry: tables of channels, layers and lesions."""

from dataclasses import dataclass

import numpy as np
import torch

from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.explain.channels import face_channels, lesions
from analysis.explain.channels.face_channels import Layer
from analysis.explain.mean_intervals import of_means
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.neural.populations import populations
from analysis.neural.scoring import LEAST_IMAGES, LEAST_UNITS
from analysis.params import Explain, Model
from analysis.recordings.selectivity import FACE_SELECTIVE
from analysis.statistics.crossval import group_folds
from analysis.statistics.inference import percentile_interval

CHANNELS = ["model", "layer", "channel", "fsi", "activation"]
LAYERS = ["model", "weights", "layer", "n_channels", "n_active", "n_face", "median_fsi"]
LESIONS = [
    *["model", "layer", "share", "k", "level_face", "level_control", "measure", "region", "n"],
    *["intact", "face", "control", "loss", "ci_low", "ci_high"],
]
DEEPEST = 2
"""So many of the last layers are lesioned."""


@dataclass(frozen=True)
class Halves:
    """The images in two halves: channels are chosen on one, effects measured on the other; near-duplicates lie in one.

    Attributes
    ----------
    label : (n_images,) int
        1 face, 0 non-face, -1 unlabelled.
    unseen : (n_images,) bool
        Not in the training split: on these accuracy is measured.
    groups : (n_images,)
    choose, test : (n_images,) bool
    """

    label: np.ndarray
    unseen: np.ndarray
    groups: np.ndarray
    choose: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, examples: Examples, seed: int) -> "Halves":
        """Draw the halves."""
        groups = examples.table["group"].to_numpy()
        half = group_folds(groups, 2, seed_of(seed, "explain", "halves"))
        return cls(examples.label, examples.split != "train", groups, half == 0, half == 1)


UNEQUAL = 0.25
"""Largest difference in mean activation of control channels from the chosen ones, as a share of theirs."""


@dataclass(frozen=True)
class Sets:
    """The channels of one lesion: a share of the most selective (`chosen`), and controls.

    `masks` (1 + 1 + n_controls, n_channels) silence nothing, these and each set of those; `levels` are the mean
    activations of these and of the controls.
    """

    share: float
    chosen: np.ndarray
    masks: np.ndarray
    levels: tuple[float, float]


def layer_rows(recorded: dict[str, Layer], halves: Halves, weights: str) -> list[dict]:
    """Return how many channels of each layer are active and face-selective, over all images (`LAYERS`, no model)."""
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
    """Return index and mean activation of each channel on the half that chooses (`CHANNELS` less the model)."""
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


def sets(layer: Layer, halves: Halves, values: Explain, seed: int) -> list[Sets]:
    """Choose the channels of each share and their controls on the half that chooses.

    Shares that ask for as many channels as a smaller one, or for more than half of the active ones, are left out, and
    those whose controls are not of equal activation, within `UNEQUAL`: the layer has no such channels then.
    """
    index, response = _index(layer, halves), layer.response[halves.choose]
    found: list[Sets] = []
    for share in values.lesion_shares:
        chosen = face_channels.most_selective(index, share)
        active = int(np.isfinite(index).sum())
        if 2 * len(chosen) > active or (found and len(found[-1].chosen) == len(chosen)):
            continue
        drawn = face_channels.controls(chosen, response, values.lesion_draws, seed_of(seed, "controls", len(chosen)))
        masks = face_channels.kept(np.concatenate([chosen[None], drawn]), len(index))
        level = response.mean(axis=0)
        levels = float(level[chosen].mean()), float(level[drawn].mean())
        if abs(levels[1] - levels[0]) > UNEQUAL * levels[0]:
            continue
        found.append(Sets(share, chosen, np.concatenate([np.ones((1, len(index))), masks]), levels))
    return found


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
    """Lesion the last layers of a network and return what is lost (`LESIONS` less the model).

    Parameters
    ----------
    network : Network
    inputs : float tensor (n_images, 3, size, size)
    recorded : dict from layer to Layer, of all images
    halves, examples, entry, values, seed
        Halves; images; entry of the model; parameters of the explanation; seed of the project.
    """
    layers = list(recorded)[-DEEPEST:]
    chosen = {name: sets(recorded[name], halves, values, seed_of(seed, "lesion", name)) for name in layers}
    rows = []
    for name, lesioned in chosen.items():
        rows += _accuracy(network, inputs, name, lesioned, halves, values, seed)
    rows += _neurons(recorded, chosen, halves, examples, entry, values, seed)
    return rows


def _row(layer: str, one: Sets, measure: str, region: str, n: int, scores: np.ndarray, ends) -> dict:
    """Return one row; scores (1 + 1 + n_controls,) are with nothing, the face channels and each control silenced."""
    return {
        "layer": layer,
        "share": one.share,
        "k": len(one.chosen),
        "level_face": one.levels[0],
        "level_control": one.levels[1],
        "measure": measure,
        "region": region,
        "n": n,
        "intact": scores[0],
        "face": scores[1],
        "control": scores[2:].mean(),
        "loss": _loss(scores),
        "ci_low": ends[0],
        "ci_high": ends[1],
    }


def _loss(scores: np.ndarray) -> np.ndarray:
    """Return what the face channels cost beyond the controls, of scores (1 + 1 + n_controls, ...).

    The mean of differences, not the difference of means: exactly 0 where no set changes anything.
    """
    return (scores[2:] - scores[1]).mean(axis=0)


def _accuracy(network, inputs, layer: str, lesioned: list[Sets], halves: Halves, values: Explain, seed: int):
    """Accuracy on unseen labelled images of the test half; both classes count the same."""
    rows = np.flatnonzero(halves.test & halves.unseen & (halves.label >= 0))
    label = halves.label[rows]
    if not lesioned or len(set(label)) < 2:
        return []
    try:
        answer = lesions.predicted(network, layer, inputs[torch.from_numpy(rows)], _all_masks(lesioned))
    except DataError as reason:
        print(f"explain: no lesion of {layer}: {reason}")
        return []
    weight = np.where(label == 1, 0.5 / (label == 1).mean(), 0.5 / (label == 0).mean())
    parts = np.split((answer == label) * weight, len(lesioned))  # its mean is the balanced accuracy
    losses = np.stack([_loss(part) for part in parts], axis=1)
    _, low, high = of_means(losses, halves.groups[rows], values.bootstrap, seed_of(seed, "accuracy"))
    return [
        _row(layer, one, "accuracy", "", len(rows), part.mean(axis=1), ends)
        for one, part, ends in zip(lesioned, parts, zip(low, high, strict=True), strict=True)
    ]


def _all_masks(lesioned: list[Sets]) -> np.ndarray:
    return np.concatenate([one.masks for one in lesioned])


def _neurons(recorded, chosen, halves, examples, entry, values, seed) -> list[dict]:
    """Predictivity and RDM correlation in each area, over the test half of each recording's images."""
    place = {stem: row for row, stem in enumerate(examples.table["stem"])}
    found: dict[tuple, list] = {}
    for population in populations("corrected", entry.rules, set(place)):
        rows = np.array([place[stem] for stem in population.images])
        train, test = np.flatnonzero(halves.choose[rows]), np.flatnonzero(halves.test[rows])
        if min(len(train), len(test)) < max(LEAST_IMAGES, values.components + 2):
            continue
        draw = seed_of(seed, "lesion", population.recording)
        for layer in (layer for layer in chosen if chosen[layer]):
            given = population, recorded[layer].features[rows], _all_masks(chosen[layer])
            r = lesions.predictivity(*given, train, test, values.components)
            found.setdefault(("predictivity", population.region, layer), []).append((r, population.recording))
            if len(population.units) >= LEAST_UNITS:
                both = lesions.similarity(*given, test, values.bootstrap, draw)
                found.setdefault(("rho", population.region, layer), []).append(both)
    order = sorted(found, key=lambda key: (key[0], AREAS.index(key[1]), list(chosen).index(key[2])))
    return [row for key in order for row in SUMMED[key[0]](key, found[key], chosen[key[2]], values, seed)]


def _predictivity(key: tuple, parts: list, lesioned: list[Sets], values: Explain, seed: int) -> list[dict]:
    """Mean r over the units of an area; recordings are drawn, units where there is one recording."""
    measure, region, layer = key
    r = np.concatenate([scores for scores, _ in parts], axis=1)
    recordings = np.concatenate([[name] * scores.shape[1] for scores, name in parts])
    known = np.isfinite(r).all(axis=0)
    r, recordings = r[:, known], recordings[known]
    if not known.any():
        return []
    split = np.split(r, len(lesioned))
    losses = np.stack([_loss(part) for part in split], axis=1)
    _, low, high = of_means(losses, recordings, values.bootstrap, seed_of(seed, "lesion", region))
    return [
        _row(layer, one, measure, region, r.shape[1], part.mean(axis=1), ends)
        for one, part, ends in zip(lesioned, split, zip(low, high, strict=True), strict=True)
    ]


def _rho(key: tuple, parts: list, lesioned: list[Sets], values: Explain, seed: int) -> list[dict]:
    """Mean rho over the populations of an area; the images of each are drawn."""
    measure, region, layer = key
    rho, draws = (np.mean([part[k] for part in parts], axis=0) for k in (0, 1))
    split = zip(lesioned, np.split(rho, len(lesioned)), np.split(draws.T, len(lesioned)), strict=True)
    return [
        _row(layer, one, measure, region, len(parts), scores, percentile_interval(_loss(drawn)))
        for one, scores, drawn in split
    ]


SUMMED = {"predictivity": _predictivity, "rho": _rho}
