"""The stage ``activations``: every image through a trained model, one file per named layer.

Importing this module loads no torch: later steps read activations through `layers` and `read`.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import paths
from analysis.errors import DataError
from analysis.files import atomic, sha256, write_csv, write_json
from analysis.params import Params

BATCH = 64


def run(params: Params, model: str) -> None:
    """Write ``data/activations/<model>/``: ``index.csv``, ``layers.json`` and ``<layer>.npy`` (n_images, features).

    Where ``models.<model>.activations.patches`` is not 0, also ``patches/<recording>.nc``: the top layer of what was
    looked at in single fixations (`analysis.models.patches`; `read_patches` reads them).

    Raises
    ------
    DataError
        If the model is not trained, or was trained on other images or values than the present ones.
    """
    from analysis import runtime, store
    from analysis.models import data, extract, network, patches, registry
    from analysis.recordings.read import recording_files

    entry = params.models.entry(model)
    if untrained(model):
        write_csv(paths.ACTIVATIONS / model / "index.csv", pd.DataFrame({"stem": []}))
        write_json(paths.ACTIVATIONS / model / "layers.json", [])
        return
    with runtime.fixed_threads():
        examples = data.load(entry.rules)
        source = paths.MODELS / model
        config = network.read_config(source)
        if config["images"] != examples.digest or config["values"] != entry.model_dump():
            raise DataError(f"{source} was trained on other images or values: run the stage train for {model} again")
        trained = registry.module(entry.kind).build(config["architecture"])
        network.load_weights(trained, source / network.WEIGHTS)
        x = registry.inputs(entry.kind, examples, config["architecture"])
        reduce = extract.Reduction.of(entry, params.seed)
        key = {
            "model": sha256(source / network.WEIGHTS),
            "config": config,
            "code": store.code_digest("analysis/models"),
            "device": runtime.device(),
            "batch": BATCH,
            "seed": params.seed,
        }
        folder = store.work_folder("activations", key)
        described = extract.extract(trained.to(runtime.device()), x, reduce, folder, BATCH, runtime.device())
        work, looked_at = None, []
        if at_most := getattr(getattr(entry, "activations", None), "patches", 0):
            recordings = recording_files(entry.protocol)
            work = store.work_folder("patches", key | {"recordings": {path.name: sha256(path) for path in recordings}})
            looked_at = patches.write_all(trained, entry.size, reduce, at_most, recordings, work, runtime.device())
    out = paths.ACTIVATIONS / model
    for item in described:
        with atomic(out / f"{item['name']}.npy") as part:
            shutil.copyfile(folder / f"{item['name']}.npy", part)
    for path in looked_at:
        with atomic(out / "patches" / path.name) as part:
            shutil.copyfile(path, part)
    write_csv(out / "index.csv", examples.table[["stem"]])
    write_json(out / "layers.json", described)
    store.discard(folder)
    if work is not None:
        store.discard(work)


def untrained(model: str, folder: Path = paths.MODELS) -> str | None:
    """Return why a model could not be trained on the images at hand, or None if it was trained."""
    try:
        return json.loads((folder / model / "metrics.json").read_text(encoding="utf-8")).get("untrained")
    except (FileNotFoundError, ValueError):
        return None


def layers(model: str, folder: Path = paths.ACTIVATIONS) -> list[str]:
    """Return the names of a model's layers in order of depth; the last is the top layer.

    A model that could not be trained has none.

    Raises
    ------
    DataError
        If the activations are missing.
    """
    path = folder / model / "layers.json"
    try:
        return [item["name"] for item in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run the stage activations for {model}") from error


def read(model: str, layer: str, folder: Path = paths.ACTIVATIONS) -> tuple[list[str], np.ndarray]:
    """Return the stems of the images and the activations of a layer.

    Returns
    -------
    stems : list of str, n_images
    values : float32 array (n_images, features), memory-mapped

    Raises
    ------
    DataError
        If the layer is missing or does not have one row per stem.
    """
    path = folder / model / f"{layer}.npy"
    try:
        stems = pd.read_csv(folder / model / "index.csv", dtype=str, keep_default_na=False)["stem"].tolist()
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} not found: run the stage activations for {model}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not a whole .npy file: run the stage activations for {model} again") from error
    if len(values) != len(stems):
        raise DataError(f"{path} has {len(values)} rows for {len(stems)} images: run the stage activations again")
    return stems, values


def has_patches(model: str, folder: Path = paths.ACTIVATIONS) -> bool:
    """Say whether a model has activations of what was looked at in single fixations."""
    return (folder / model / "patches").is_dir()


def read_patches(model: str, recording: str, folder: Path = paths.ACTIVATIONS):
    """Return the top layer of what was looked at in single fixations of a recording, or None if it was not computed.

    Returns
    -------
    xarray.Dataset or None
        ``features`` (fixation, feature), float32; along ``fixation``, ``row``: the fixation's place in
        ``data/recordings/<protocol>/<recording>.nc``, and ``stimulus_id``. One patch per fixation, centred on the gaze
        plus the median receptive field of the recording's units (attributes ``field_x_dva``, ``field_y_dva``).

    Raises
    ------
    DataError
        If the file is not whole.
    """
    from analysis.recordings import netcdf  # loads xarray, which most models do not need

    path = folder / model / "patches" / f"{recording}.nc"
    return netcdf.read(path) if path.exists() else None
