"""Gaze-contingent, single-fixation predictivity, for models with activations of patches."""

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


def fixation_rows(
    model: str, protocol: str, rules: Protocol, groups: dict[str, int], settings: Compare, seed: int
) -> list[dict]:
    """Return a row per unit and kind of fixation (zeroth, later), for every recording with patches.

    The ceiling of a unit is sqrt(RSC), its self-consistency over pairs of fixations in different trials. Folds keep
    near-duplicate images together. Protocols that sum spikes over an image have no single fixations, hence no rows.

    Raises
    ------
    DataError
        If the patches belong to other recordings.
    """
    if rules.response != "rate" or not activations.has_patches(model):
        return []
    from analysis.recordings.read import recording_files

    def score(path: Path) -> list[dict]:
        patches = activations.read_patches(model, path.stem)
        return [] if patches is None else _score_recording(model, path, patches, rules, groups, settings, seed)

    return [row for rows in map_processes(score, recording_files(protocol), f"fixations of {model}") for row in rows]


def _score_recording(
    model: str, path: Path, patches, rules: Protocol, groups: dict[str, int], settings: Compare, seed: int
) -> list[dict]:
    """Return the rows of one recording; `patches` are the activations of `activations.read_patches`."""
    from analysis.recordings.read import open_recording

    recording = open_recording(path, stable_only=True)
    rows = patches["row"].values  # fixation of each patch
    stems, patch_stems = (table["stimulus_id"].values.astype(str) for table in (recording, patches))
    if len(rows) and (rows.max() >= len(stems) or (stems[rows] != patch_stems).any()):
        raise DataError(f"patches of {model} do not belong to {path}: run the stage activations for {model} again")
    usable = FIXATIONS[rules.fixations](recording)[rows] & np.isin(patch_stems, list(groups))
    usable &= np.isfinite(recording["rate"].values[rows]).all(axis=1)
    rows = rows[usable]
    rsc = recording["rsc_across_trials"].values.astype(float)
    parts = fixations.fixation_predict(
        patches["features"].values[usable],
        recording["rate"].values[rows],
        stems[rows],
        recording["ordinal"].values[rows],
        rsc,
        groups,
        folds=settings.folds,
        seed=seed_of(seed, "compare", path.stem),
    )
    return [
        {
            "layer": str(patches.attrs["layer"]),
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
        for part, scores in parts.items()
        for k in range(recording.sizes["unit"])
    ]
