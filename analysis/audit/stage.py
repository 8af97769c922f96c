"""Stage ``audit``: what each choice of the report did, on the data at hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.audit import confound, joins, labels, ladder, planted, responses, selection, studies, summaries, tables
from analysis.audit import table as reader
from analysis.audit.rungs import rungs
from analysis.audit.table import ResponseTable
from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.files import as_json, write_csv, write_json
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.models.data import NoExamples, load
from analysis.params import Params
from analysis.params.protocol import CORRECTED, REPORT
from analysis.recordings import read
from analysis.recordings.annotations import Annotations
from analysis.recordings.main_file import read_session
from analysis.stimuli.read import read_missing, read_table

OUT = paths.RESULTS / "audit"
TABLE = paths.REPORT_FILES / "combinedAIT.csv"
FACES = paths.REPORT_FILES / "face.csv"


def run(params: Params) -> None:
    """Write ``results/audit/``.

    ladder.csv, confound.csv (ladder.py, confound.py), joins.csv, labels.csv, selection.csv, studies.csv,
    table_blocks.csv, table_units.csv, table_fill.csv, table_controls.csv (tables.py; of the report's own table where
    data/raw has it, else of the table that its protocol makes of the recordings at hand) and summary.json. Where
    images are missing and those at hand train no network, ladder, confound and selection have no rows.

    Raises
    ------
    DataError
        If a step before is missing, or no recording has units of ``audit.area``.
    """
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    images, annotations = read_table(), Annotations(paths.ANNOTATIONS)
    every = responses.sources(read.all_recordings("corrected"), paths.DANDISET, annotations)
    area, here = _of_area(every, params)
    steps = ladder.Ladder(params, area, here, annotations, images)
    found = {
        "joins": pd.DataFrame([row for one in track(every, "joins") for row in _joins(one)], columns=joins.COLUMNS),
        "labels": labels.lost(images),
        **_learned(params, steps, images),
        "studies": studies.rates(params.audit.studies, params.audit.shuffles, seed_of(params.seed, "unseen studies")),
    }
    merged, about_table = _table_audit(params, steps, images)
    for name, table in {**found, **merged}.items():
        write_csv(OUT / f"{name}.csv", table)
    about = {
        "area": area,
        "recordings": len(here),
        "ladder": summaries.ends(found["ladder"]),
        "confound": summaries.confounds(found["confound"]),
        "joins": joins.summary(found["joins"]),
        "labels": labels.audit(images),
        "selection": selection.summary(found["selection"]),
        "studies": summaries.detection(found["studies"]),
        "table": about_table,
    }
    write_json(OUT / "summary.json", as_json(about))


def _of_area(every: list[responses.Source], params: Params) -> tuple[str, list[responses.Source]]:
    """Return the audited area and its recordings, at most ``audit.recordings`` of them, spread over their names."""
    there = {area for one in every for area in one.areas}
    area = max(there, key=AREAS.index) if params.audit.area == "latest" else params.audit.area
    here = [one for one in every if area in one.areas]
    if not here:
        known = ", ".join(sorted(there, key=AREAS.index))
        raise DataError(f"audit.area = {area}: no recording at hand has units there; choose of {known}, or latest")
    chosen = np.unique(np.linspace(0, len(here) - 1, min(params.audit.recordings, len(here))).round().astype(int))
    return area, [here[k] for k in chosen]


def _joins(one: responses.Source) -> list[dict]:
    return joins.errors(read_session(one.files.main), one.files.name)


def _learned(params: Params, steps: ladder.Ladder, images: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables for which networks are needed."""
    values = params.audit
    try:
        examples = load(CORRECTED)
        load(REPORT)
    except NoExamples as lack:
        if read_missing().empty:
            raise
        print(f"audit: {lack}; images are missing (data/stimuli/missing.csv), so no network is audited")
        columns = {"ladder": ladder.COLUMNS, "confound": confound.COLUMNS, "selection": selection.COLUMNS}
        return {name: pd.DataFrame(columns=names) for name, names in columns.items()}
    steps.trained = ladder.trained_models(params)
    known = dict(zip(examples.table["stem"], examples.label.tolist(), strict=True))
    steps.planted = planted.read([one.files.name for one in steps.sources], steps.area, known)
    return {
        "ladder": ladder.table_of(steps, rungs(), values.seeds),
        "confound": confound.confound(steps, values.seeds),
        "selection": selection.optimism(
            steps.pool(0),
            examples.label,
            images["group"].to_numpy(),
            validation=params.stimuli.validation,
            test=params.stimuli.test,
            splits=values.selection_splits,
            seed=params.seed,
        ),
    }


def _table_audit(params: Params, steps: ladder.Ladder, images: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict]:
    """Audit the merged table.

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
        empty = {f"table_{name}": pd.DataFrame(columns=columns) for name, columns in tables.COLUMNS.items()}
        return empty, {"source": source, "missing": str(error)}
    return (
        {f"table_{name}": one for name, one in audited.tables.items()},
        {"source": source, "missing": None, **audited.summary},
    )


def _table(steps: ladder.Ladder, images: pd.DataFrame) -> tuple[str, ResponseTable]:
    """Return the report's own table where it is at hand, else what its protocol makes of these recordings."""
    if TABLE.is_file():
        return "report", reader.read(TABLE, str(FACES))
    # Where no recording begins with the area, the report would have had no table: the units of the area make it then.
    for rules in (REPORT, replace(REPORT, region="unit")):
        recorded = steps.recorded(rules)
        merged = responses.population_list(recorded, rules, set(images["stem"]), steps.area)
        if merged:
            break
    if not merged:
        empty = np.empty(0, str)
        return "merged", ResponseTable(empty, (), np.empty((0, 0)), empty, empty)
    one, blocks = merged[0], responses.block_of(recorded, rules, steps.area)
    order = sorted(range(len(one.images)), key=lambda k: (blocks[one.images[k]], one.images[k]))
    known = images.set_index("stem").loc[[one.images[k] for k in order]]
    return "merged", ResponseTable(
        images=known["path"].to_numpy(str),
        units=one.units,
        values=one.responses[order],
        label=known["label_report"].to_numpy(str),
        block=np.array([blocks[stem] for stem in known.index]),
    )
