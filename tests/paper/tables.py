"""Fabricated tables beside the results: of recorded data sets, as stage recorded-summary writes them; of an audit."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

LAYERS = {"hmo": ["l1", "l2", "top"], "simple_cnn": ["conv1", "conv2", "top"], "pixels": ["pixels"]}
ACCURACY = {"hmo": 0.91, "simple_cnn": 0.85, "pixels": 0.7, "category": 1.0}
LEVELS = {"hmo": 0.5, "simple_cnn": 0.4, "pixels": 0.2, "category": 0.3}
PAIRS = [("hmo", "simple_cnn"), ("hmo", "pixels"), ("hmo", "category")]


def table(name: str = "v4", regions: tuple[str, ...] = ("V4",), measure: str = "r_corrected") -> dict:
    """Return a table in which HMO does best; its contrast with pixels alone is significant."""
    corrected, models = measure == "r_corrected", {}
    for model, level in LEVELS.items():
        layers = {}
        layer_names = LAYERS.get(model, ["labels"])
        for depth, layer in enumerate([*layer_names, "best"]):
            value = level + 0.01 * depth
            scores = {measure: value, f"{measure}_low": value - 0.1, f"{measure}_high": value + 0.1}
            layers[layer] = {region: dict.fromkeys(("r_corrected", "rho")) | scores for region in regions}
        models[model] = {"layer": "top", "top_layer": layer_names[-1], "accuracy": ACCURACY[model], "layers": layers}
    contrasts = [
        {"model": one, "other": other, "layer": layer, "region": region, "difference": LEVELS[one] - LEVELS[other]}
        | {"low": 0.0, "high": 0.4, "p": 0.01, "p_holm": 0.02 if other == "pixels" else 0.3}
        for one, other in PAIRS
        for layer in ("best", "top")
        for region in regions
    ]
    return {
        "dataset": name,
        "units": 50 if corrected else None,
        "images": 640,
        "presentations": 4838 if corrected else None,
        "median_reliability": 0.764 if corrected else None,
        "regions": dict.fromkeys(regions, 50) if corrected else None,
        "environment": {"python": "3.11", "torch": "7.6.5", "packages": {"numpy": "9.8.7"}, "numerics": "fixed"},
        "hashes": {"data": "ab" * 32, "code": "cd" * 32},
        "models": models,
        "contrasts": contrasts if corrected else [],
        "reference": {},
    }


def write(folder: Path, *tables: dict) -> None:
    """Write tables to ``paper/recorded`` in a project folder."""
    for one in tables:
        (folder / "paper/recorded" / f"{one['dataset']}.json").write_text(json.dumps(one, sort_keys=True))


def says(text: str, said: str) -> bool:
    """Whether a text of a PDF holds these words, wherever its lines break and words are hyphenated."""
    return re.sub(r"[\s\-]", "", said) in re.sub(r"[\s\-]", "", text)


def fabricate_walk(folder: Path) -> None:
    """Write the tables of an audit in which two choices lead from -1 to 0.125."""
    folder.mkdir(exist_ok=True)
    (folder / "summary.json").write_text(json.dumps({"protocols": {}}))
    rows = [("r2", "join", 0.25, 0.1, 0.4), ("r2", "regression", 0.875, -0.1, 1.85), ("rho", "join", 0.1, 0.0, 0.2)]
    pd.DataFrame(rows, columns=["score", "field", "value", "low", "high"]).to_csv(folder / "shapley.csv", index=False)
    start = {"network": "small networks", "start": "report", "field": "", "r2": -1.0, "rho": np.nan}
    pd.DataFrame([start]).to_csv(folder / "single_choices.csv", index=False)
