"""The stage ``activations``: the responses of a trained model to every image, one file per named layer."""

import pandas as pd

from analysis.core import paths
from analysis.core.files import copy, sha256, write_csv, write_json
from analysis.models.activations.read import untrained
from analysis.params import Params

BATCH = 64


def run(params: Params, model: str) -> None:
    """Write ``data/activations/<model>/``: ``index.csv``, ``layers.json`` and ``<layer>.npy`` (n_images, features).

    If ``models.<model>.activations.patches`` is not 0, also ``patches/<recording>.nc``: the top layer for patches at
    the gaze in single fixations (`analysis.models.activations.patches`; `read_patches` reads them).

    Raises
    ------
    DataError
        If the model is not trained, or was trained on images or with parameters other than the present ones.
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
        reduce, batch = extract.Reduction.of(entry, params.seed), found.network.at_once or BATCH
        key = {
            "model": sha256(paths.MODELS / model / network.WEIGHTS),
            "config": found.config,
            "code": store.code_digest(),
            "device": settings.device(),
            "batch": batch,
            "seed": params.seed,
        }
        folder = store.work_folder("activations", key)
        described = extract.extract(
            found.network.to(settings.device()), found.inputs(examples), reduce, folder, batch, settings.device()
        )
        work, patch_files = None, []
        if at_most := getattr(getattr(entry, "activations", None), "patches", 0):
            from analysis.models.activations import patches  # with xarray, which only these files need
            from analysis.recordings.read import recording_files

            recordings = recording_files(entry.protocol)
            work = store.work_folder("patches", key | {"recordings": {path.name: sha256(path) for path in recordings}})
            patch_files = patches.write_all(
                found.network, entry.size, reduce, at_most, recordings, work, settings.device()
            )
    out = paths.ACTIVATIONS / model
    for item in described:
        copy(folder / f"{item['name']}.npy", out / f"{item['name']}.npy")
    for path in patch_files:
        copy(path, out / "patches" / path.name)
    write_csv(out / "index.csv", examples.table[["stem"]])
    write_json(out / "layers.json", described)
    store.discard(folder)
    if work is not None:
        store.discard(work)
