"""What each part of the HMO procedure contributes: variants trained on the same images with several seeds."""

import json
import shutil
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.core import store
from analysis.core.errors import DataError, WriteError
from analysis.core.files import write_text
from analysis.core.reading import read_json
from analysis.core.seeds import seed_of
from analysis.models import data, registry
from analysis.models.yamins_hmo import boosting
from analysis.params import Model, Params
from analysis.statistics.inference import student_interval

FULL = "full"
VARIANTS: dict[str, dict] = {
    FULL: {},
    "no_boosting": {"weights": "none"},
    "random_search": {"search": "random"},
    "margin": {"weights": "margin"},
    "trained": {"filters": "trained"},
}
"""What each variant changes in the full procedure."""
REPORT = "report"
COST = ["search_gflop", "gflop_low", "gflop_high"]
RUNS = ["variant", "seed", "accuracy", "balanced_accuracy", "validation_balanced_accuracy", "search_gflop", "failed"]
DIFFERENCES = ["variant", "measure", "seeds", "mean", "difference", "ci_low", "ci_high", *COST]
MEASURES = ("accuracy", "balanced_accuracy")


def entries(params: Params) -> dict[str, Model]:
    """Return the parameters of every variant: those of the named models, at the sizes of ``candidates.ablation``."""
    values = params.candidates
    full, report = params.models.entry(values.model), params.models.entry(values.report)
    for entry, kind, key in ((full, "hmo", "model"), (report, "report_hmo", "report")):
        if entry.kind != kind:
            raise DataError(f"candidates.{key} names a model of kind {entry.kind!r}; give one of kind {kind!r}")
    base, small = full.model_dump() | values.ablation.hmo.model_dump(), values.ablation.report.model_dump()
    made = {name: type(full).model_validate(base | changed) for name, changed in VARIANTS.items()}
    return made | {REPORT: type(report).model_validate(report.model_dump() | small)}


def ablate(params: Params, run: Callable, folder: Path) -> pd.DataFrame:
    """Train every variant with every seed and return the table `RUNS`; finished runs are read from `folder`."""
    tasks = [
        (params, name, number, str(folder))
        for number in range(params.candidates.ablation.seeds)
        for name in entries(params)
    ]
    rows = list(run(_train, tasks))
    return pd.DataFrame(rows, columns=RUNS).sort_values(["variant", "seed"], kind="stable", ignore_index=True)


def _train(judge, params: Params, name: str, number: int, folder: str) -> dict:
    kept = Path(folder) / f"{name}-{number}.json"
    if kept.exists():
        return read_json(kept, "remove it, and run again")
    row = {"variant": name, "seed": number} | _fit(
        params, name, number, Path(folder) / f"{name}-{number}", judge.device
    )
    write_text(kept, json.dumps(row))
    return row


def _fit(params: Params, name: str, number: int, folder: Path, device: str) -> dict:
    import torch

    from analysis.candidates.cost import counted
    from analysis.models.train.training import scores

    entry = entries(params)[name]
    examples = data.load(entry.rules)
    # The same seed for all variants, so that what they share (folds, first batch of candidates) is the same.
    seed = seed_of(params.seed, "ablation", number)
    origin = {"seed": seed, "images": examples.digest, "code": store.code_digest(), "device": device}
    job = registry.Job(name, entry, examples, seed, device, folder, lambda *step: None, origin)
    shutil.rmtree(folder, ignore_errors=True)  # an interrupted fit restarts, so that its full cost is counted
    folder.mkdir(parents=True)
    with counted() as cost:
        try:
            fitted = registry.kind(entry.kind).fit(job)
        except WriteError:
            raise
        except DataError as error:
            return {"failed": str(error)}
    x = registry.kind(entry.kind).inputs(examples, fitted.architecture)
    network = fitted.network.to(device)
    row = {"search_gflop": round(cost.operations / 1e9, 3), "failed": None}
    for split, prefix in (("test", ""), ("validation", "validation_")):
        rows = examples.rows(split)
        y = np.where(examples.label[rows] == 1, 1.0, -1.0)
        logits = torch.cat([scores(network, part) for part in x[torch.from_numpy(rows)].to(device).split(64)])
        decision = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        row[f"{prefix}balanced_accuracy"] = 1 - boosting.weighted_error(boosting.balanced(y), y, decision)
        if split == "test":
            row["accuracy"] = float(((decision > 0) == (y > 0)).mean())
    return row


def differences(runs: pd.DataFrame) -> pd.DataFrame:
    """Compare each variant with the full procedure, seed by seed; return the table `DIFFERENCES`.

    ``mean`` is the variant's mean, ``difference`` its mean difference from the full procedure, with Student's 95 %
    interval of paired differences over seeds (the images stay the same), and ``search_gflop`` the mean cost of a fit in
    1e9 floating-point operations (`analysis.candidates.cost`), with the same kind of interval.
    """
    rows = []
    wide = {name: runs.pivot(index="seed", columns="variant", values=name) for name in (*MEASURES, "search_gflop")}
    for variant in [name for name in (*VARIANTS, REPORT) if name in set(runs["variant"])]:
        cost = astuple(student_interval(wide["search_gflop"][variant].dropna()))
        for measure in MEASURES:
            values = wide[measure]
            both = values[[FULL, variant]].dropna() if variant != FULL else values[[FULL]].dropna()
            gap = astuple(student_interval((both[variant] - both[FULL]).dropna()))
            row = (variant, measure, len(both), both[variant].mean(), *gap, *cost)
            rows.append(dict(zip(DIFFERENCES, row, strict=True)))
    return pd.DataFrame(rows, columns=DIFFERENCES)
