"""Stage ``explain``: where models look, whether neurons follow, and what face channels carry."""

import numpy as np
import pandas as pd
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
from analysis.explain.channels.face_channels import record
from analysis.explain.maps.model_maps import TRAINED, UNTRAINED, Explained, Regions, as_floats, explain, frames
from analysis.models import data, registry
from analysis.models.activations import read as activations
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


def run(params: Params) -> None:
    """Write ``results/explain/``: the tables of `TABLES` as CSV, gallery.nc and summary.json.

    A model that cannot be explained (images missing, inputs that are not images) is left out; the summary says why.

    Raises
    ------
    DataError
        If a step before is missing, or ``explain.models`` names a model that does not run.
    """
    import torch

    if absent := [name for name in params.explain.models if name not in params.models.run]:
        raise DataError(f"explain.models names {absent[0]!r}, which is not in models.run: add it there")

    torch.use_deterministic_algorithms(True, warn_only=True)
    with fixed_threads():
        _run(params)


def _run(params: Params) -> None:
    values, rois = params.explain, Rois(paths.ANNOTATIONS / "db" / ROIS)
    frame_of = frames(read_table())
    found: dict[str, list] = {name: [] for name in TABLES}
    every: list[Explained] = []
    skipped, pictures = {}, None
    for model in values.models:
        if reason := activations.untrained(model):
            skipped[model] = reason
            continue
        print(f"explain: {model}", flush=True)
        entry = params.models.entry(model)
        examples = data.load(entry.rules)
        trained, architecture = opened_networks.load(params, model, examples)
        both = {
            TRAINED: trained,
            UNTRAINED: opened_networks.untrained(trained, seed_of(params.seed, "untrained", model)),
        }
        both = {whose: network.to(device()) for whose, network in both.items()}
        inputs = registry.inputs(entry.kind, examples, architecture)
        explained = explain(model, both, inputs, examples, rois, values, params.seed, device())
        if isinstance(explained, str):
            skipped[model] = explained
            continue
        every.append(explained)
        for name, table in _looked(explained, params).items():
            found[name].append(table)
        for name, rows in _carried(model, both, inputs, examples, params).items():
            found[name].append(pd.DataFrame(rows).assign(model=model))
        if pictures is None:
            regions = Regions(rois, examples, inputs.shape[2])
            pictures = gallery.gallery(
                model, trained, inputs, examples, regions, gallery.gaze(frame_of), values, params.seed, device()
            )
    units, areas = map_tables.related(every, frame_of, values, params.seed)
    found["units"].append(units)
    found["areas"].append(areas)
    made = {name: _joined(parts, TABLES[name]) for name, parts in found.items()}
    for name, table in made.items():
        write_csv(OUT / f"{name}.csv", table)
    netcdf.write(xr.Dataset() if pictures is None else pictures, OUT / "gallery.nc")
    about = {one.model: map_tables.summary(made, one.model, one) for one in every}
    write_json(OUT / "summary.json", as_json({"models": about, "skipped": skipped}))


def _looked(explained: Explained, params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables of one model's maps."""
    values, seed = params.explain, params.seed
    scored = map_tables.images(explained)
    curves, faithfulness = map_tables.faithful(explained, values, seed)
    return {
        "images": scored,
        "attribution": map_tables.attribution(scored, explained, values.bootstrap, seed),
        "curves": curves,
        "faithfulness": faithfulness,
        "randomisation": map_tables.randomisation(explained, values.bootstrap, seed),
    }


def _carried(model: str, both: dict, inputs, examples, params: Params) -> dict[str, list[dict]]:
    """Return the rows of one model's face channels and lesions."""
    entry, halves = params.models.entry(model), channel_tables.Halves.of(examples, params.seed)
    x = as_floats(inputs, np.arange(len(inputs)), device())
    pool = entry.activations.pool if hasattr(entry, "activations") else 0
    recorded = dict(zip(both, map_threads(lambda network: record(network, x, pool), both.values()), strict=True))
    return {
        "layers": [
            row for whose, layers in recorded.items() for row in channel_tables.layer_rows(layers, halves, whose)
        ],
        "channels": channel_tables.channel_rows(recorded[TRAINED], halves),
        "lesions": channel_tables.lesion_rows(
            both[TRAINED],
            x,
            recorded[TRAINED],
            halves,
            examples,
            entry,
            params.explain,
            params.seed,
        ),
    }


def _joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    there = [part for part in parts if len(part)]
    return pd.concat(there, ignore_index=True)[columns] if there else pd.DataFrame(columns=columns)
