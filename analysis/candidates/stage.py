"""The stage ``candidates``: performance versus predictivity across search candidates, and the ablation."""

import numpy as np
import pandas as pd

from analysis.candidates import ablation, search
from analysis.core import paths, settings, store
from analysis.core.files import sha256, write_csv, write_json
from analysis.core.parallel import process_pool
from analysis.models import data
from analysis.models.data import NoExamples
from analysis.params import Params
from analysis.recordings.read import recording_files

OUT = paths.RESULTS / "candidates"
TABLES = {
    "candidates": search.CANDIDATES,
    "predictivity": search.PREDICTIVITY,
    "correlations": search.CORRELATIONS,
    "searches": search.SEARCHES,
    "runs": ablation.RUNS,
    "differences": ablation.DIFFERENCES,
}
"""Columns of each table."""


def run(params: Params) -> None:
    """Write ``results/candidates/``: the tables of `TABLES` as CSV, and summary.json.

    Unfinished work is kept in the store; a killed run resumes from it and ends with the same bytes.

    Raises
    ------
    DataError
        If images or recordings are missing. But if a class is empty because images that the recordings show are
        missing or were never annotated, the tables have no rows.
    """
    from analysis.candidates import joint
    from analysis.candidates.judge import Judge

    ablation.entries(params)  # first, so that an invalid value fails before anything is computed
    try:
        examples = data.load(params.models.entry(params.candidates.model).rules)
    except NoExamples as lack:
        if (why := data.excuse()) is None:
            raise
        return _write_nothing(str(lack), why)
    with store.work_folder("candidates", _key(params, examples)) as folder:
        with process_pool(Judge, params, settings.device()) as run_all:
            candidates, predictivity, kept = search.search(params, run_all, folder)
            runs = ablation.ablate(params, run_all, folder)
            correlations = pd.DataFrame(columns=TABLES["correlations"])
            if len(predictivity):
                task = (kept, params.candidates.bootstrap, params.seed)
                (correlations,) = run_all(joint.correlate_kept, [task])
        _write(candidates, predictivity, correlations, runs)


def _write(
    candidates: pd.DataFrame, predictivity: pd.DataFrame, correlations: pd.DataFrame, runs: pd.DataFrame
) -> None:
    """Write the tables, those derived from them, and the summary."""
    searches = search.compare_searches(candidates, predictivity)
    differences = ablation.differences(runs)
    tables = {
        "candidates": candidates,
        "predictivity": predictivity,
        "correlations": correlations,
        "searches": searches,
        "runs": runs,
        "differences": differences,
    }
    for name, table in tables.items():
        write_csv(OUT / f"{name}.csv", table)
    write_json(OUT / "summary.json", _summary(candidates, correlations, differences))


def _key(params: Params, examples: data.Examples) -> dict:
    """Return everything that determines the result."""
    entries = {name: entry.model_dump() for name, entry in ablation.entries(params).items()}
    recordings = recording_files(params.models.entry(params.candidates.model).protocol)
    return {
        "candidates": params.candidates.model_dump(),
        "entries": entries,
        "seed": params.seed,
        "images": examples.digest,
        "recordings": {path.name: sha256(path) for path in recordings},
    } | store.origin()


def _write_nothing(lack: str, why: str) -> None:
    print(f"candidates: {lack}; {why}, so there is nothing to search")
    for name, names in TABLES.items():
        write_csv(OUT / f"{name}.csv", pd.DataFrame(columns=names))
    write_json(OUT / "summary.json", {"missing": lack, "correlations": {}, "ablation": {}, "searched": {}})


def _summary(candidates: pd.DataFrame, correlations: pd.DataFrame, differences: pd.DataFrame) -> dict:
    """Return the numbers that the paper quotes."""
    good = candidates[candidates["failed"].isna()]
    searched = {
        kind: {
            "candidates": len(part),
            "median_accuracy": _number(part["accuracy"].median()),
            "best_accuracy": _number(part["accuracy"].max()),
        }
        for kind, part in good.groupby("kind", sort=False)
    }
    by_area = {
        row["region"]: {name: _number(row[name]) for name in search.CORRELATIONS if name != "region"}
        for row in correlations.to_dict("records")
    }
    ablated: dict[str, dict] = {}
    for row in differences.itertuples():
        values = {"mean": row.mean, "difference": row.difference, "ci_low": row.ci_low, "ci_high": row.ci_high}
        values |= {"seeds": row.seeds} | {name: getattr(row, name) for name in ablation.COST}
        ablated.setdefault(row.variant, {})[row.measure] = {name: _number(value) for name, value in values.items()}
    missing = None if by_area else "no recording shows enough images both in and outside the training split"
    return {"missing": missing, "searched": searched, "correlations": by_area, "ablation": ablated}


def _number(value) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)
