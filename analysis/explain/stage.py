"""Stage ``explain``: where in an image a model finds evidence for a face."""

import numpy as np
import pandas as pd
import torch
import xarray as xr

from analysis.core import paths
from analysis.core.files import as_json, write_csv, write_json
from analysis.core.numerics import fixed_threads
from analysis.core.seeds import seed_of
from analysis.core.settings import device
from analysis.explain import explained_networks, gallery, localisation
from analysis.explain.model_maps import INITIAL, TRAINED, Explained, NotExplained, explain_model
from analysis.models import data, registry
from analysis.models.activations import read as activations
from analysis.models.data import Examples
from analysis.params import Params
from analysis.recordings import netcdf
from analysis.recordings.rois import FOLDER as ROIS
from analysis.recordings.rois import Rois

OUT = paths.RESULTS / "explain"
TABLES = {
    "images": localisation.IMAGES,
    "localisation": localisation.LOCALISATION,
    "comparisons": localisation.COMPARISONS,
}


def run(params: Params) -> None:
    """Write ``results/explain/``: the tables in `TABLES` as csv files, gallery.nc and summary.json.

    A model that cannot be explained (missing images, inputs that are not images) is omitted; the summary says why.

    Raises
    ------
    DataError
        If the output of an earlier stage is missing.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    with fixed_threads():
        _explain_models(params)


def _explain_models(params: Params) -> None:
    rois, skipped = Rois(paths.ANNOTATIONS / "db" / ROIS), {}
    models: list[Explained] = []
    chosen, shown = {}, None  # images of the gallery, by kind, and their data
    for model in params.explain.models:
        if reason := activations.untrained(model):
            skipped[model] = reason
            continue
        print(f"explain: {model}", flush=True)
        examples = data.load(params.models.entry(model).rules)
        images = chosen or gallery.choose_images(examples, rois, params.explain)
        try:
            models.append(_explain(params, model, examples, rois, np.concatenate(list(images.values()))))
        except NotExplained as reason:
            skipped[model] = str(reason)
            continue
        chosen, shown = images, shown or examples
    tables = _tabulate(models, params)
    for name, table in tables.items():
        write_csv(OUT / f"{name}.csv", table)
    pictures = gallery.build_gallery(chosen, shown, rois, models) if models else xr.Dataset()
    netcdf.write(pictures, OUT / "gallery.nc")
    summary = {explained.model: localisation.summarise(tables, explained) for explained in models}
    write_json(OUT / "summary.json", as_json({"models": summary, "skipped": skipped}))


def _explain(params: Params, model: str, examples: Examples, rois: Rois, images: np.ndarray) -> Explained:
    trained, architecture = explained_networks.load(params, model, examples)
    initial = explained_networks.untrained(trained, seed_of(params.seed, "untrained", model))
    networks = {TRAINED: trained.to(device()), INITIAL: initial.to(device())}
    inputs = registry.kind(params.models.entry(model).kind).inputs(examples, architecture)
    return explain_model(model, networks, inputs, examples, rois, params.explain, images, device())


def _tabulate(models: list[Explained], params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables of all models."""
    draws, parts = params.explain.bootstrap, {name: [pd.DataFrame(columns=columns)] for name, columns in TABLES.items()}
    for explained in models:
        images = localisation.image_table(explained)
        parts["images"].append(images)
        parts["localisation"].append(localisation.localisation_table(images, explained, draws, params.seed))
        parts["comparisons"].append(localisation.comparison_table(images, explained, draws, params.seed))
    return {
        name: pd.concat(tables[1:], ignore_index=True) if tables[1:] else tables[0] for name, tables in parts.items()
    }
