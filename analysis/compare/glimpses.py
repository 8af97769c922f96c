"""For the stage: single fixations predicted from what was looked at, where a model has activations of patches."""

from pathlib import Path

import numpy as np

from analysis.core.errors import DataError
from analysis.core.parallel import map_processes
from analysis.core.seeds import seed_of
from analysis.models.activations import read as activations
from analysis.neural.populations import FIXATIONS
from analysis.params import Compare
from analysis.params.protocol import Protocol
from analysis.statistics.predictivity import fixations

COLUMNS = ["layer", "recording", "subject", "region", "unit", "neuroid_id", "part", "n_fixations"]
COLUMNS += ["r2", "pearson_r", "rsc", "explained", "published"]


def rows(
    model: str, protocol: str, rules: Protocol, groups: dict[str, int], settings: Compare, seed: int
) -> list[dict]:
    """Return a row per unit and part of the fixations (zeroth, later), for every recording with patches.

    The ceiling of a unit is sqrt(RSC), with its self-consistency over pairs of fixations of different trials; folds
    keep near-duplicate images together. Protocols that sum spikes over an image have no single fixations.

    Raises
    ------
    DataError
        If the patches are not of the recordings at hand.
    """
    if rules.response != "rate" or not activations.has_patches(model):
        return []
    from analysis.recordings.read import recording_files

    def one(path: Path) -> list[dict]:
        seen = activations.read_patches(model, path.stem)
        return [] if seen is None else _of_recording(model, path, seen, rules, groups, settings, seed)

    return [row for rows in map_processes(one, recording_files(protocol), f"fixations of {model}") for row in rows]


def _of_recording(model: str, path: Path, seen, rules: Protocol, groups, settings: Compare, seed: int) -> list[dict]:
    from analysis.recordings.read import open_recording

    recording = open_recording(path, stable_only=True)
    place = seen["row"].values
    stems = recording["stimulus_id"].values.astype(str)
    if len(place) and (place.max() >= len(stems) or (stems[place] != seen["stimulus_id"].values.astype(str)).any()):
        raise DataError(f"patches of {model} are not of {path}: run the stage activations for {model} again")
    usable = FIXATIONS[rules.fixations](recording)[place] & np.isin(stems[place], list(groups))
    usable &= np.isfinite(recording["rate"].values[place]).all(axis=1)
    place = place[usable]
    rsc = recording["rsc_across_trials"].values.astype(float)
    found = fixations.fixation_predict(
        seen["features"].values[usable],
        recording["rate"].values[place],
        stems[place],
        recording["ordinal"].values[place],
        rsc,
        groups,
        folds=settings.folds,
        seed=seed_of(seed, "compare", path.stem),
    )
    return [
        {
            "layer": str(seen.attrs["layer"]),
            "recording": str(recording.attrs["recording"]),
            "subject": str(recording.attrs["subject"]),
            "region": str(recording["region"].values[k]),
            "unit": str(recording["unit"].values[k]),
            "neuroid_id": str(recording["neuroid_id"].values[k]),
            "part": part,
            "n_fixations": scores.n,
            "r2": scores.r2[k],
            "pearson_r": scores.pearson_r[k],
            "rsc": rsc[k],
            "explained": scores.explained[k],
            "published": scores.published[k],
        }
        for part, scores in found.items()
        for k in range(recording.sizes["unit"])
    ]
