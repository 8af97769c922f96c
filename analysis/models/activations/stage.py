"""The stage ``activations``: the responses of a trained model to every image, one file per named layer."""

from pathlib import Path

import pandas as pd

from analysis.core import paths
from analysis.core.files import copy, sha256, write_csv, write_json
from analysis.models.activations.read import untrained
from analysis.params import Model, Params


def run(params: Params, model: str) -> None:
    """Write ``data/activations/<model>/``: ``index.csv``, ``layers.json`` and ``<layer>.npy`` (n_images, features).

    If ``models.<model>.activations.patches`` is not 0, also ``patches/<recording>.nc``: the top layer for patches at
    the gaze in single fixations (`analysis.models.activations.patches`; `read_patches` reads them).

    Raises
    ------
    DataError
        If the model is not trained, or was trained on images or with parameters other than the current ones.
    """
    from analysis.core import settings, store
    from analysis.core.numerics import fixed_threads
    from analysis.models import data, network, registry
    from analysis.models.activations import extract

    entry = params.models.entry(model)
    if untrained(model):
        write_csv(paths.ACTIVATIONS / model / "index.csv", pd.DataFrame({"stem": []}))
        write_json(paths.ACTIVATIONS / model / "layers.json", [])
        return
    with fixed_threads():
        examples = data.load(entry.rules)
        found = registry.load_trained(params, model, examples)
        reduce, batch = extract.Reduction.of(entry, params.seed), found.network.at_once or extract.BATCH
        key = {
            "model": sha256(paths.MODELS / model / network.WEIGHTS),
            "config": found.config,
            "code": store.code_digest(),
            "device": settings.device(),
            "batch": batch,
            "seed": params.seed,
        }
        out = paths.ACTIVATIONS / model
        with store.work_folder("activations", key) as folder:
            described = extract.extract(
                found.network.to(settings.device()), found.inputs(examples), reduce, folder, batch, settings.device()
            )
            if at_most := getattr(getattr(entry, "activations", None), "patches", 0):
                _write_patches(found.network, entry, reduce, at_most, key, out / "patches")
            for item in described:
                copy(folder / f"{item['name']}.npy", out / f"{item['name']}.npy")
            write_csv(out / "index.csv", examples.table[["stem"]])
            write_json(out / "layers.json", described)


def _write_patches(network, entry: Model, reduce, at_most: int, key: dict, out: Path) -> None:
    """Write the top layer for patches at the gaze, a file for each recording."""
    from analysis.core import settings, store
    from analysis.models.activations import patches  # imports xarray, which only these files need
    from analysis.recordings.read import recording_files

    recordings = recording_files(entry.protocol)
    hashes = {path.name: sha256(path) for path in recordings}
    with store.work_folder("patches", key | {"recordings": hashes}) as folder:
        for path in patches.write_all(network, entry.size, reduce, at_most, recordings, folder, settings.device()):
            copy(path, out / path.name)
