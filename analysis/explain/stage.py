"""Stage ``explain``: where models look, whether neurons follow, and what is lost without the face channels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.files import as_json, write_csv, write_json
from analysis.core.numerics import fixed_threads
from analysis.core.parallel import map_threads
from analysis.core.seeds import seed_of
from analysis.core.settings import device
from analysis.explain import gallery, map_tables, opened_networks
from analysis.explain.channels import channel_tables
from analysis.explain.channels.face_channels import record_layers
from analysis.explain.maps.model_maps import (
    TRAINED,
    UNTRAINED,
    Explained,
    NotExplained,
    Regions,
    as_floats,
    explain_model,
    image_frames,
)
from analysis.models import data, registry
from analysis.models.activations import read as activations
from analysis.models.data import Examples
from analysis.models.network import Network
from analysis.params import Params
from analysis.recordings import netcdf
from analysis.recordings.rois import FOLDER as ROIS
from analysis.recordings.rois import Rois
from analysis.stimuli.read import read_table

OUT = paths.RESULTS / "explain"
TABLES = {
    "images": map_tables.IMAGES,
    "attribution": map_tables.ATTRIBUTION,
    "curves": map_tables.CURVES,
    "faithfulness": map_tables.FAITHFULNESS,
    "randomisation": map_tables.RANDOMISATION,
    "units": map_tables.UNITS,
    "areas": map_tables.AREA,
    "channels": channel_tables.CHANNELS,
    "layers": channel_tables.LAYERS,
    "lesions": channel_tables.LESIONS,
}


@dataclass(frozen=True)
class Loaded:
    """A model to explain: its networks by weights (on the device), and all images as its inputs."""

    model: str
    networks: dict[str, Network]
    inputs: torch.Tensor
    examples: Examples


def run(params: Params) -> None:
    """Write ``results/explain/``: the tables in `TABLES` as csv files, gallery.nc and summary.json.

    A model that cannot be explained (images missing, inputs that are not images) is left out; the summary says why.

    Raises
    ------
    DataError
        If the output of an earlier stage is missing, or ``explain.models`` names a model that is not in ``models.run``.
    """
    if absent := [name for name in params.explain.models if name not in params.models.run]:
        raise DataError(f"explain.models names {absent[0]!r}, which is not in models.run: add it there")
    torch.use_deterministic_algorithms(True, warn_only=True)
    with fixed_threads():
        _explain_models(params)


def _explain_models(params: Params) -> None:
    values, rois = params.explain, Rois(paths.ANNOTATIONS / "db" / ROIS)
    frames = image_frames(read_table())
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in TABLES}
    models: list[Explained] = []
    skipped, pictures = {}, None
    for model in values.models:
        if reason := activations.untrained(model):
            skipped[model] = reason
            continue
        print(f"explain: {model}", flush=True)
        loaded = _load(model, params)
        inputs, examples = loaded.inputs, loaded.examples
        try:
            explained = explain_model(model, loaded.networks, inputs, examples, rois, values, params.seed, device())
        except NotExplained as reason:
            skipped[model] = str(reason)
            continue
        models.append(explained)
        for name, table in (_tabulate_maps(explained, params) | _tabulate_channels(loaded, params)).items():
            parts[name].append(table)
        if pictures is None:
            regions, fixations = Regions(rois, examples, inputs.shape[2]), gallery.collect_fixations(frames)
            pictures = gallery.build_gallery(
                model, loaded.networks[TRAINED], inputs, examples, regions, fixations, values, params.seed, device()
            )
    units, areas = map_tables.unit_tables(models, frames, values, params.seed)
    parts["units"].append(units)
    parts["areas"].append(areas)
    tables = {name: _concatenate(parts[name], columns) for name, columns in TABLES.items()}
    for name, table in tables.items():
        write_csv(OUT / f"{name}.csv", table)
    netcdf.write(xr.Dataset() if pictures is None else pictures, OUT / "gallery.nc")
    summary = {explained.model: map_tables.summarise_model(tables, explained.model, explained) for explained in models}
    write_json(OUT / "summary.json", as_json({"models": summary, "skipped": skipped}))


def _load(model: str, params: Params) -> Loaded:
    entry = params.models.entry(model)
    examples = data.load(entry.rules)
    trained, architecture = opened_networks.load(params, model, examples)
    untrained = opened_networks.untrained(trained, seed_of(params.seed, "untrained", model))
    networks = {TRAINED: trained.to(device()), UNTRAINED: untrained.to(device())}
    return Loaded(model, networks, registry.kind(entry.kind).inputs(examples, architecture), examples)


def _tabulate_maps(explained: Explained, params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables of one model's maps."""
    values, seed = params.explain, params.seed
    images = map_tables.image_table(explained)
    curves, faithfulness = map_tables.faithfulness_tables(explained, values, seed)
    return {
        "images": images,
        "attribution": map_tables.attribution_table(images, explained, values.bootstrap, seed),
        "curves": curves,
        "faithfulness": faithfulness,
        "randomisation": map_tables.randomisation_table(explained, values.bootstrap, seed),
    }


def _tabulate_channels(loaded: Loaded, params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables of one model's channels, layers and lesions."""
    entry, networks, examples = params.models.entry(loaded.model), loaded.networks, loaded.examples
    halves = channel_tables.Halves.draw(examples, params.seed)
    x = as_floats(loaded.inputs, np.arange(len(loaded.inputs)), device())
    pool = entry.activations.pool if hasattr(entry, "activations") else 0
    layers = dict(
        zip(networks, map_threads(lambda network: record_layers(network, x, pool), networks.values()), strict=True)
    )
    rows = {
        "layers": [row for weights in layers for row in channel_tables.layer_rows(layers[weights], halves, weights)],
        "channels": channel_tables.channel_rows(layers[TRAINED], halves),
        "lesions": channel_tables.lesion_rows(
            networks[TRAINED], x, layers[TRAINED], halves, examples, entry, params.explain, params.seed
        ),
    }
    return {name: pd.DataFrame(part).assign(model=loaded.model) for name, part in rows.items()}


def _concatenate(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)
