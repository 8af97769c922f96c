"""The stage ``geometry``: comparison of models trained elsewhere with published dissimilarities."""

import pandas as pd

from analysis.acquire.recorded import layout
from analysis.core import environment, paths
from analysis.core.errors import DataError
from analysis.core.files import as_json, sha256, write_csv, write_json
from analysis.core.store import code_digest
from analysis.geometry import networks, scores
from analysis.models import elsewhere
from analysis.params import Params
from analysis.run import ROOT
from analysis.statistics import RDM, rdm

CODES = "category"
"""Kind of model that knows only labels; RDMs of labels are among the reference values."""
ABSENT = {
    "responses": "dissimilarities alone were published: no unit's predictivity, reliability or noise-corrected score",
    "training": "too few images to train on: the models were trained elsewhere (trained_in)",
}


def run(params: Params, dataset: str) -> None:
    """Write ``results/geometry.csv``, ``results/contrasts.csv`` and ``results/recorded.json``.

    Raises
    ------
    DataError
        If the data set has no dissimilarities, or no model of ``recorded.models`` is trained in
        ``recorded.models_from``.
    """
    published = layout.read_dissimilarities(paths.RAW)
    if published is None:
        raise DataError(
            f"{dataset}: this data set has unit responses: list it under recorded.run, not recorded.geometry"
        )
    source = ROOT / params.recorded.models_from
    examples = networks.read_examples(paths.RAW, params.stimuli.size)
    images = tuple(published.image_ids.tolist())
    if images != tuple(examples.table["stem"]):
        raise DataError(f"{paths.RAW}: rdms.nc and images.csv list different images: run the stage acquire again")
    every = {
        name: RDM(row, "published", images)
        for name, row in zip(published.systems.tolist(), published.distances, strict=True)
    }
    systems = {name: one for name, one in every.items() if layout.SUBJECT not in name}
    subjects = {
        system: [one for name, one in every.items() if name.startswith(system + layout.SUBJECT)] for system in systems
    }
    lacking = {name: "knows labels alone: see reference" for name in params.models.run if _is_code(params, name)}
    names, untrained = elsewhere.trained([name for name in params.models.run if name not in lacking], source)
    lacking |= {name: f"not trained in {params.recorded.models_from}" for name in untrained}
    models, tops = {}, {}
    for name in names:
        for layer, features in networks.activations(params, name, source, examples).items():
            models[name, layer] = rdm(features, "correlation", images)
            tops[name] = layer  # ends as the last layer
    labels = networks.labels(examples.table)
    drawn = {system: scores.draws(models, system, one, params.compare, params.seed) for system, one in systems.items()}
    tables = [
        scores.rows(models, drawn[system], system, one, labels, params.compare, params.seed)
        for system, one in systems.items()
    ]
    contrasts = pd.concat([scores.contrasts(drawn[system], tops, system) for system in systems], ignore_index=True)
    table = pd.concat(tables, ignore_index=True)
    write_csv(paths.RESULTS / "geometry.csv", table)
    write_csv(paths.RESULTS / "contrasts.csv", contrasts)
    pixels = rdm(networks.pixels(examples), "correlation", images)
    held = scores.reference(systems, {name: rdms for name, rdms in subjects.items() if rdms}, labels, pixels)
    about = {"dataset": dataset, "images": len(images), "systems": list(systems), "measure": scores.METHOD}
    about |= {"given": list(labels), "trained_in": params.recorded.models_from, "reference": held}
    about |= {"absent": ABSENT | lacking}
    about |= {"models": _by_model(table, tops), "contrasts": contrasts.to_dict("records")}
    about |= {"environment": environment.decisive(environment.stamp(ROOT)), "hashes": _hashes()}
    write_json(paths.RESULTS / "recorded.json", as_json(about))


def _is_code(params: Params, model: str) -> bool:
    """Return whether a model knows only labels."""
    return params.models.entry(model).kind == CODES


def _by_model(table: pd.DataFrame, tops: dict[str, str]) -> dict:
    """Return the scores by model, layer and system; ``layer`` is the top layer."""
    values = [name for name in scores.COLUMNS if name not in ("model", "layer", "system", "n_images")]
    found: dict = {}
    for row in table.to_dict("records"):
        one = found.setdefault(row["model"], {"layer": tops[row["model"]], "layers": {}})
        one["layers"].setdefault(row["layer"], {})[row["system"]] = {name: row[name] for name in values}
    return found


def _hashes() -> dict[str, str]:
    """Return the hashes of the data and of the code."""
    return {"data": sha256(paths.RAW / "manifest.json"), "code": code_digest()}
