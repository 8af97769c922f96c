"""Stage ``audit``: what each choice of the report did, on the data at hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis import paths
from analysis.audit import confound, joins, labels, ladder, responses, selection, studies, tables
from analysis.audit import table as reader
from analysis.audit.rungs import rungs
from analysis.audit.table import ResponseTable
from analysis.compare.inference import percentile_interval
from analysis.errors import DataError
from analysis.files import write_csv, write_json
from analysis.models.data import load
from analysis.params import Params
from analysis.protocol import CORRECTED, REPORT
from analysis.recordings import read
from analysis.recordings.session import read_session
from analysis.recordings.tables import Annotations
from analysis.runtime import seed_of, track
from analysis.stimuli.read import read_table

OUT = paths.RESULTS / "audit"
TABLE = paths.REPORT_FILES / "combinedAIT.csv"
FACES = paths.REPORT_FILES / "face.csv"


def run(params: Params) -> None:
    """Write ``results/audit/``.

    ladder.csv, confound.csv (ladder.py), joins.csv, labels.csv, selection.csv, studies.csv, table_blocks.csv,
    table_units.csv, table_fill.csv, table_controls.csv (tables.py; of the report's own table where data/raw has it,
    else of the table that its protocol makes of the recordings at hand) and summary.json.

    Raises
    ------
    DataError
        If a step before is missing, or no recording has units of ``audit.area``.
    """
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    values, images = params.audit, read_table()
    annotations = Annotations(paths.ANNOTATIONS)
    every = responses.sources(read.all_recordings("corrected"), paths.DANDISET, annotations)
    here = [one for one in every if values.area in one.areas]
    if not here:
        raise DataError(f"audit.area = {values.area}: no recording has units there; choose another area in params.yaml")
    joined = pd.DataFrame([row for one in track(every, "joins") for row in _joins(one)])
    write_csv(OUT / "joins.csv", joined)
    write_csv(OUT / "labels.csv", labels.lost(images))
    steps = ladder.Ladder(params, here, annotations, images, ladder.trained_models(params))
    scored = ladder.table_of(steps, rungs(), values.seeds)
    write_csv(OUT / "ladder.csv", scored)
    planted = confound.confound(steps, values.seeds)
    write_csv(OUT / "confound.csv", planted)
    examples = load(CORRECTED)
    optimism = selection.optimism(
        steps.pool(0),
        examples.label,
        images["group"].to_numpy(),
        validation=params.stimuli.validation,
        test=params.stimuli.test,
        splits=values.selection_splits,
        seed=params.seed,
    )
    write_csv(OUT / "selection.csv", optimism)
    judged = studies.rates(values.studies, values.shuffles, seed_of(params.seed, "studies"))
    write_csv(OUT / "studies.csv", judged)
    audited = _table_audit(params, steps, images)
    write_json(
        OUT / "summary.json",
        {
            "area": values.area,
            "ladder": _ends(scored),
            "confound": _confound(planted),
            "joins": joins.summary(joined),
            "labels": labels.audit(images),
            "selection": selection.summary(optimism),
            "studies": _studies(judged),
            "table": audited,
        },
    )


def _joins(one: responses.Source) -> list[dict]:
    return joins.errors(read_session(one.files.main), one.files.name)


def _table_audit(params: Params, steps: ladder.Ladder, images: pd.DataFrame) -> dict:
    """Audit the merged table, write its tables and return its summary.

    A table that cannot be audited (too few images of a label, one recording) is no fault of the stage: the summary
    then says why under ``missing``, and the tables are empty.
    """
    values = params.audit
    source, table = _table(steps, images)
    try:
        audited = tables.audit(
            table, rows=values.table_rows, draws=values.table_draws, shuffles=20, seed=seed_of(params.seed, "table")
        )
    except DataError as error:
        for name, columns in tables.COLUMNS.items():
            write_csv(OUT / f"table_{name}.csv", pd.DataFrame(columns=columns))
        return {"source": source, "missing": str(error)}
    tables.write(audited, OUT, prefix="table_")
    return {"source": source, "missing": None, **audited.summary}


def _table(steps: ladder.Ladder, images: pd.DataFrame) -> tuple[str, ResponseTable]:
    """Return the report's own table where it is at hand, else what its protocol makes of these recordings."""
    if TABLE.is_file():
        return "the report's table", reader.read(TABLE, str(FACES))
    area = steps.values.area
    # Where no recording begins with the area, the report would have had no table: the units of the area make it then.
    for rules in (REPORT, replace(REPORT, region="unit")):
        recorded = steps.recorded(rules)
        merged = responses.population_list(recorded, rules, set(images["stem"]), area)
        if merged:
            break
    one, blocks = merged[0], responses.block_of(recorded, rules, area)
    order = sorted(range(len(one.images)), key=lambda k: (blocks[one.images[k]], one.images[k]))
    known = images.set_index("stem").loc[[one.images[k] for k in order]]
    return "the report's protocol on these recordings", ResponseTable(
        images=known["path"].to_numpy(str),
        units=one.units,
        values=one.responses[order],
        label=known["label_report"].to_numpy(str),
        block=np.array([blocks[stem] for stem in known.index]),
        unnamed_rows=0,
    )


def _ends(scored: pd.DataFrame) -> dict:
    """Return, for each kind of network, both ends of the ladder and the corrected protocol with the join flaw alone."""
    out = {}
    for network, rows in scored.groupby("network", sort=True):
        chosen = {
            "report": rows[(rows["walk"] == "in order") & (rows["step"] == 0)],
            "corrected": rows[(rows["walk"] == "flawed alone") & (rows["step"] == 0)],
            "join_alone": rows[(rows["walk"] == "flawed alone") & (rows["field"] == "join")],
        }
        out[str(network)] = {name: _numbers(part.iloc[0]) for name, part in chosen.items() if len(part)}
    return out


def _numbers(row: pd.Series) -> dict:
    return {name: _number(value) for name, value in row.items() if not isinstance(value, str) and name != "step"}


def _confound(planted: pd.DataFrame) -> dict:
    out: dict = {}
    for (join, kind), rows in planted.groupby(["join", "table"], sort=True):
        low, high = percentile_interval(rows["rho"].to_numpy())
        left_low, left_high = percentile_interval(rows["left_block"].to_numpy())
        out.setdefault(str(join), {})[str(kind)] = {
            "tables": len(rows),
            "rho": _number(rows["rho"].mean()),
            "low": _number(low),
            "high": _number(high),
            "left_block": _number(rows["left_block"].mean()),
            "left_low": _number(left_low),
            "left_high": _number(left_high),
            "flagged": _number(rows["flagged"].mean()),
        }
    return out


def _studies(judged: pd.DataFrame) -> dict:
    part = {name: judged[judged["confounded"] == (name == "confounded")] for name in ("confounded", "clean")}
    return {
        "of_each": int(len(judged) // 2),
        "detected": float(part["confounded"]["flagged"].mean()),
        "false_alarms": float(part["clean"]["flagged"].mean()),
        **{f"rho_{name}": float(rows["rho"].mean()) for name, rows in part.items()},
        **{f"left_{name}": float(rows["left_block"].mean()) for name, rows in part.items()},
    }


def _number(value) -> float | int | None:
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None
