"""The top layer of a model for gaze-contingent patches, one per fixation of a recording.

A patch is 4 x 4 dva of the screen (`analysis.recordings.gaze_patches`), cut from the published image and scaled to the
network's input. All units of a recording share one patch, centred on the gaze plus their median receptive field: a
patch per unit would cost some twenty times as much, and the receptive fields of an array lie close together. Fixations
are drawn at random from the selected ones.
"""

from pathlib import Path

import numpy as np
import torch
import xarray as xr

from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.models.activations.extract import Reducer, Reduction
from analysis.models.network import Network
from analysis.recordings import netcdf
from analysis.recordings.gaze_patches import median_field, patches_at
from analysis.recordings.read import open_recording, selected
from analysis.stimuli.originals import originals
from analysis.stimuli.read import read_table


def write_all(
    network: Network, size: int, rule: Reduction, at_most: int, recordings: list[Path], folder: Path, device: str
) -> list[Path]:
    """Write ``folder/<recording>.nc`` for every recording and return the files; existing files are kept.

    Each holds ``features`` (fixation, feature), float32, reduced like the top layer in ``<layer>.npy``, with ``row``
    (of the recording's file) and ``stimulus_id`` along ``fixation``. Attributes give the layer and the centre of the
    patch relative to the gaze (``field_x_dva``, ``field_y_dva``).

    Parameters
    ----------
    size : int
        Side of the network's input in pixels.
    at_most : int
        Maximum number of fixations per recording.
    """
    known = set(read_table()["stem"])
    files = [folder / path.name for path in recordings]
    network.eval()
    with originals() as open_image:
        for path, out in track(list(zip(recordings, files, strict=True)), "patches"):
            if not out.exists():
                recording = chosen_fixations(open_recording(path), known, at_most, rule.seed, path.stem)
                netcdf.write(_features(network, open_image, recording, size, rule, device), out)
    return files


def chosen_fixations(recording: xr.Dataset, known: set[str], at_most: int, seed: int, name: str) -> xr.Dataset:
    """Draw at most `at_most` selected fixations on known images; return them in order, with their ``row``."""
    recording = selected(recording.assign_coords(row=("fixation", np.arange(recording.sizes["fixation"]))))
    rows = np.flatnonzero([stem in known for stem in recording["stimulus_id"].values.astype(str)])
    draw = np.random.default_rng(seed_of(seed, "patches", name))
    return recording.isel(fixation=np.sort(draw.permutation(rows)[:at_most]))


@torch.no_grad()
def _features(network: Network, open_image, recording: xr.Dataset, size: int, rule, device: str) -> xr.Dataset:
    layer, field = network.layer_names[-1], median_field(recording)
    cut = torch.from_numpy(patches_at(open_image, recording, field, size))
    reduce = Reducer.of(
        rule, network.maps(torch.zeros((1, 3, size, size), dtype=torch.uint8, device=device))[layer], output=True
    )
    parts = [reduce(network.maps(part.to(device))[layer]) for part in cut.split(64)] if len(cut) else []
    features = np.concatenate([np.empty((0, reduce.features), np.float32), *parts])
    return xr.Dataset(
        {"features": (("fixation", "feature"), features.astype(np.float32))},
        coords={
            "row": ("fixation", recording["row"].values.astype(np.int64)),
            "stimulus_id": ("fixation", recording["stimulus_id"].values.astype(str)),
        },
        attrs={"layer": layer, "field_x_dva": float(field[0]), "field_y_dva": float(field[1])},
    )
