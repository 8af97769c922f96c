"""Stage ``audit``: the effect of each choice of the report's protocol, on the data at hand."""

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.audit.flaws import confounded_tables, face_labels, selection_bias, trial_join
from analysis.audit.protocol_steps import protocol_responses, scores, shapley, simulated_truth
from analysis.audit.protocol_steps.choices import single_choices
from analysis.audit.protocol_steps.inputs import Inputs
from analysis.audit.table import response_table, simulated_studies, table_audit
from analysis.audit.table.response_table import ResponseTable, TableNotAuditable
from analysis.core import paths
from analysis.core.areas import AREAS
from analysis.core.errors import DataError
from analysis.core.files import as_json, write_csv, write_json
from analysis.core.progress import track
from analysis.core.seeds import seed_of
from analysis.models.data import Examples, NoExamples, excuse, load
from analysis.params import Params
from analysis.params.protocol import CORRECTED, REPORT, Protocol
from analysis.recordings import read
from analysis.recordings.annotations import Annotations
from analysis.recordings.main_file import read_session
from analysis.stimuli.read import read_missing, read_table

OUT = paths.RESULTS / "audit"
REPORT_TABLE = paths.REPORT_FILES / "combinedAIT.csv"
REPORT_FACES = paths.REPORT_FILES / "face.csv"
NETWORK_TABLES = {
    "shapley": shapley.COLUMNS,
    "single_choices": scores.COLUMNS,
    "report_splits": scores.SPLIT_COLUMNS,
    "confound": confounded_tables.COLUMNS,
    "selection": selection_bias.COLUMNS,
}
"""Tables that need networks, and their columns."""


def run(params: Params) -> None:
    """Write ``results/audit/``.

    ============================  =====================================================================
    shapley.csv                   what each choice of protocol contributes (`protocol_steps.shapley`)
    single_choices.csv            either protocol with one choice of the other (`protocol_steps.scores`)
    report_splits.csv             the report's r2 for every random split and network
    joins.csv                     errors of the trial join (`flaws.trial_join`)
    labels.csv                    faces that the report's labels miss (`flaws.face_labels`)
    selection.csv                 selection on the test images (`flaws.selection_bias`)
    confound.csv                  label and recording confounded (`flaws.confounded_tables`)
    studies.csv, power.csv        simulated studies, judged (`table.simulated_studies`)
    table_{blocks,units,fill,     audit of the report's own table if data/raw has it, otherwise of the
    controls}.csv                 table that its protocol builds from the recordings (`table`)
    summary.json                  the numbers that the paper quotes
    ============================  =====================================================================

    If images are missing or were never annotated, and the rest cannot train a network, the first three, confound and
    selection have no rows.

    Raises
    ------
    DataError
        If the output of an earlier stage is missing, or no recording has units of ``audit.area``.
    """
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    images, annotations = read_table(), Annotations(paths.ANNOTATIONS)
    read_missing()  # fail early if the file is damaged
    sources = protocol_responses.find_sources(read.recording_files("corrected"), paths.DANDISET, annotations)
    area, audited = _choose_recordings(sources, params)
    examples = _load_examples()
    inputs = _gather_inputs(params, area, audited, images, examples)
    studies_seed = seed_of(params.seed, "unseen studies")
    tables = {
        "joins": _count_join_errors(sources),
        "labels": face_labels.count_by_category(images),
        **_audit_networks(inputs, examples),
        "studies": simulated_studies.judge_studies(params.audit.studies, params.audit.shuffles, studies_seed),
    }
    tables["power"] = simulated_studies.power_curve(tables["studies"])
    merged_tables, merged_summary = _audit_merged_table(inputs)
    for name, table in {**tables, **merged_tables}.items():
        write_csv(OUT / f"{name}.csv", table)
    summary = {
        "area": area,
        "recordings": len(audited),
        "protocols": scores.summarise(tables["single_choices"]),
        "report_splits": scores.summarise_splits(tables["report_splits"]),
        "confound": confounded_tables.summarise(tables["confound"]),
        "joins": trial_join.summarise(tables["joins"]),
        "labels": face_labels.summarise(images),
        "selection": selection_bias.summarise(tables["selection"], params.seed),
        "table": merged_summary,
    }
    write_json(OUT / "summary.json", as_json(summary))


def _choose_recordings(
    sources: list[protocol_responses.Source], params: Params
) -> tuple[str, list[protocol_responses.Source]]:
    """Return the audited area and at most ``audit.recordings`` of its recordings, evenly spaced by name."""
    areas = {area for source in sources for area in source.areas}
    area = max(areas, key=AREAS.index) if params.audit.area == "latest" else params.audit.area
    here = [source for source in sources if area in source.areas]
    if not here:
        known = ", ".join(sorted(areas, key=AREAS.index))
        raise DataError(f"audit.area = {area}: no recording has units there; choose one of {known}, or latest")
    chosen = np.unique(np.linspace(0, len(here) - 1, min(params.audit.recordings, len(here))).round().astype(int))
    return area, [here[k] for k in chosen]


def _count_join_errors(sources: list[protocol_responses.Source]) -> pd.DataFrame:
    rows = []
    for source in track(sources, "trial joins"):
        rows += trial_join.count_errors(read_session(source.files.main), source.files.name)
    return pd.DataFrame(rows, columns=trial_join.COLUMNS)


def _load_examples() -> Examples | None:
    """Return the images of the corrected protocol; None if they cannot train a network for a known reason."""
    try:
        examples = load(CORRECTED)
        load(REPORT)
    except NoExamples as lack:
        if (why := excuse()) is None:
            raise
        print(f"audit: {lack}; {why}, so no network is audited")
        return None
    return examples


def _gather_inputs(
    params: Params,
    area: str,
    sources: list[protocol_responses.Source],
    images: pd.DataFrame,
    examples: Examples | None,
) -> Inputs:
    def build_recordings(protocol: Protocol) -> list:
        window_ms = params.recordings.window_ms
        return [protocol_responses.build_recording(source, protocol, window_ms) for source in sources]

    if examples is None:
        return Inputs(params, area, images, build_recordings)
    label_of = dict(zip(examples.table["stem"], examples.label.tolist(), strict=True))
    truth = simulated_truth.read([source.files.name for source in sources], area, label_of)
    return Inputs(params, area, images, build_recordings, truth)


def _audit_networks(inputs: Inputs, examples: Examples | None) -> dict[str, pd.DataFrame]:
    """Return the tables that need networks; empty ones if there are no examples to train them."""
    values = inputs.params.audit
    if examples is None:
        return {name: pd.DataFrame(columns=columns) for name, columns in NETWORK_TABLES.items()}
    return {
        "shapley": scores.attribute_difference(inputs, values.seeds, values.orders),
        "single_choices": scores.score_steps(inputs, single_choices(), values.seeds),
        "report_splits": scores.report_splits(inputs, values.seeds),
        "confound": confounded_tables.score_confounded_tables(inputs, values.seeds),
        "selection": selection_bias.measure_optimism(
            scores.candidate_pool(inputs, 0),
            examples.label,
            inputs.images["group"].to_numpy(),
            validation=inputs.params.stimuli.validation,
            test=inputs.params.stimuli.test,
            splits=values.selection_splits,
            seed=inputs.params.seed,
        ),
    }


def _audit_merged_table(inputs: Inputs) -> tuple[dict[str, pd.DataFrame], dict]:
    """Audit the merged table; return its tables and its summary.

    A table that does not allow an audit (too few images of a label, a single recording) is not an error: the tables are
    then empty, and the summary gives the reason under ``missing``.
    """
    params = inputs.params
    source, table = _merged_table(inputs)
    try:
        audit = table_audit.audit_table(
            table,
            rows=params.audit.table_rows,
            draws=params.audit.table_draws,
            shuffles=params.audit.shuffles,
            seed=seed_of(params.seed, "table"),
        )
    except TableNotAuditable as reason:
        empty = {f"table_{name}": pd.DataFrame(columns=columns) for name, columns in table_audit.COLUMNS.items()}
        return empty, {"source": source, "missing": str(reason)}
    tables = {f"table_{name}": table for name, table in audit.tables.items()}
    return tables, {"source": source, "missing": None, **audit.summary}


def _merged_table(inputs: Inputs) -> tuple[str, ResponseTable]:
    """Return the report's own table if available, otherwise the table that its protocol builds from the recordings."""
    if REPORT_TABLE.is_file():
        return "report", response_table.read(REPORT_TABLE, str(REPORT_FACES))
    images, area = inputs.images, inputs.area
    # The report assigns all units to the area of a recording's first row. If this is never `area`, use each unit's
    # area.
    for protocol in (REPORT, replace(REPORT, region="unit")):
        recordings = scores.recordings(inputs, protocol)
        merged = protocol_responses.area_populations(recordings, protocol, set(images["stem"]), area)
        if merged:
            break
    if not merged:
        empty = np.empty(0, str)
        return "merged", ResponseTable(empty, (), np.empty((0, 0)), empty, empty)
    population, recording_of = merged[0], protocol_responses.recording_of_each_image(recordings, area)
    stems = population.images
    order = sorted(range(len(stems)), key=lambda k: (recording_of[stems[k]], stems[k]))
    rows = images.set_index("stem").loc[[stems[k] for k in order]]
    return "merged", ResponseTable(
        images=rows["path"].to_numpy(str),
        units=population.units,
        values=population.responses[order],
        label=rows["label_report"].to_numpy(str),
        block=np.array([recording_of[stem] for stem in rows.index]),
    )
