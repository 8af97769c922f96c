"""The section and the figures of the audit, from tables that the audit itself makes of planted data."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import params
from analysis.audit.flaws import confounded_tables, selection_bias, trial_join
from analysis.audit.protocol_steps import scores, shapley
from analysis.audit.protocol_steps.choices import FIELDS, single_choices
from analysis.audit.stage import NETWORK_TABLES
from analysis.audit.table import simulated_studies, table_audit
from analysis.audit.table.response_table import ResponseTable
from analysis.core.files import as_json, write_csv, write_json
from paper import build, draw
from tests.paper.prose import text_of_papers


def merged_table() -> ResponseTable:
    rng = np.random.default_rng(0)
    block = np.repeat(["a", "b"], 40)
    values = rng.normal(size=(80, 12)) + np.where(block == "a", 0, 3)[:, None] * rng.normal(size=12)
    label = np.where(np.arange(80) % 10 == 0, "face", np.where(block == "a", "face", "non-face"))
    images = np.array([f"Stimuli/{k}.{'jpg' if k % 3 else 'png'}" for k in range(80)])
    return ResponseTable(images, tuple(f"c{k}" for k in range(12)), values, label, block)


def scored() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    rows = []
    for step in single_choices():
        row = {"network": scores.SMALL, "start": step.start, "field": step.field, "value": "x"}
        row |= {"units": 30, "images": 100, "seeds": 5}
        for name in scores.SCORES:
            value = -3.0 if name == "r2" and step.start == "report" else rng.uniform(-0.2, 0.8)
            row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
        rows.append(row)
    table = pd.DataFrame(rows, columns=scores.COLUMNS)
    alone = (table.start == "corrected") & (table.field == "join")
    table.loc[alone, ["pearson_r", "pearson_r_low", "pearson_r_high"]] = [0.0123, -0.04, 0.06]
    table.loc[alone, ["r2", "r2_low", "r2_high"]] = [0.0, 0.0, 0.0]
    table.loc[(table.start == "corrected") & (table.field == ""), ["r2"]] = 0.3
    few = table[(table.start == "corrected") & table.field.isin(["", "join"])]
    planted = few.assign(network=scores.PLANTED, r2=[0.7123, -0.0091], accuracy=np.nan)
    return pd.concat([table, planted], ignore_index=True)


def contributions() -> pd.DataFrame:
    """3.3 of r2 from images alone, and .2 of rho from the join; the other choices change nothing."""
    changes = np.zeros((5, 2, len(FIELDS), 2))
    changes[:, :, FIELDS.index("images"), 0] = 3.3 + np.arange(-2, 3)[:, None] / 10
    changes[:, :, FIELDS.index("join"), 1] = 0.2
    return shapley.shapley_values(changes, FIELDS, scores.EXPLAINED)


def confounded() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        [
            join,
            kind,
            "a+b",
            seed,
            60,
            rng.uniform(0.1, 0.4),
            0.1,
            0.5,
            rng.uniform(0, 0.1),
            0.0,
            0.1,
            0.01,
            0.01,
            "blocks",
        ]
        for join in ("trial_id", "row")
        for kind in ("single", "merged")
        for seed in range(3)
    ]
    return pd.DataFrame(rows, columns=confounded_tables.COLUMNS)


def write(folder: Path, learned: bool) -> dict:
    """Write an audit as the stage does, with tables that need no network or with them."""
    found = {name: pd.DataFrame(columns=columns) for name, columns in NETWORK_TABLES.items()}
    if learned:
        found |= {"single_choices": scored(), "shapley": contributions(), "confound": confounded()}
        draws = [[seed, split, -3 + split / 10 - seed] for seed in range(5) for split in range(20)]
        found["report_splits"] = pd.DataFrame(draws, columns=scores.SPLIT_COLUMNS)
        found["selection"] = pd.DataFrame(
            [[k, 40, 0.7, 0.71, 0.75 + k / 100, 0.04 + k / 100] for k in range(4)], columns=selection_bias.COLUMNS
        )
    found["joins"] = pd.DataFrame(
        [["A1", join, 100, *counts, 300, 3, 90] for join, counts in (("row", (3, 77, 20)), ("trial_id", (100, 0, 0)))],
        columns=trial_join.COLUMNS,
    )
    found["studies"] = simulated_studies.judge_studies(3, 100, 0)
    found["power"] = simulated_studies.power_curve(found["studies"])
    audited = table_audit.audit_table(merged_table(), rows=40, draws=2, shuffles=100, seed=0)
    found |= {f"table_{name}": table for name, table in audited.tables.items()}
    for name, table in found.items():
        write_csv(folder / f"{name}.csv", table)
    only = {"accuracy": 0.6, "balanced_accuracy": 0.61, "n_test": 66, "share_jpg_face": 0.8, "share_jpg_non_face": 0.5}
    about = {
        "area": "AIT",
        "recordings": 3,
        "protocols": scores.summarise(found["single_choices"]),
        "report_splits": scores.summarise_splits(found["report_splits"]),
        "confound": confounded_tables.summarise(found["confound"]),
        "joins": trial_join.summarise(found["joins"]),
        "labels": {"face_like": 193, "face_like_called_non_face": 29, "format_only": {"filename": only, "roi": only}},
        "selection": selection_bias.summarise(found["selection"], 0),
        "table": {"source": "merged", "missing": None, **audited.summary},
    }
    write_json(folder / "summary.json", as_json(about))
    return about


def test_the_section_tells_what_the_audit_found(project):
    write(project / "results" / "audit", learned=True)
    values = params.load()
    draw.run(values)
    build.run(values)
    assert {f"{name}.svg" for name in draw.OF_AUDIT} <= {path.name for path in Path("paper/figures").iterdir()}
    text = text_of_papers()
    assert "The origin of the report" in text
    minus = "\N{MINUS SIGN}"
    assert f"0.012 ({minus}0.040 to 0.060)" in text
    assert re.search(r"2 is 0\.000, .{1,3} is", text)  # an interval from zero to zero says nothing
    assert "from a median r2 of 0.712 (" in text.replace("r 2", "r2")
    assert f"to {minus}0.009" in text
    assert f"{minus}3.000" in text  # of the report's protocol
    assert "3.300 ± 0.071" in text
    assert "images (3.300)" in text
    assert "match to images (0.200)" in text
    assert re.search(r"29 as non.{0,3}faces", text)
    assert re.search(r"77\.0\s?%", text)  # of presentations that receive another image
    texts = json.loads(Path("paper/figures/alt.json").read_text())
    assert "two* rho" in texts["origin"]
    assert "Contributions to median r²: match to images 0.00, images 3.30" in texts["origin"]
    assert "face labels" not in texts["origin"]  # contributes nothing


def test_without_networks_the_section_keeps_what_is_known(project):
    write(project / "results" / "audit", learned=False)
    values = params.load()
    draw.run(values)
    build.run(values)
    drawn = {path.name for path in Path("paper/figures").iterdir()}
    assert "merged_table.svg" in drawn
    assert "origin.svg" not in drawn
    text = text_of_papers()
    assert re.search(r"29 as non.{0,3}faces", text)
    assert "The contribution of each choice" not in text


def test_figures_of_the_audit_have_the_same_bytes_twice(project):
    write(project / "results" / "audit", learned=True)
    draw.run(params.load())
    first = {name: Path(f"paper/figures/{name}.svg").read_bytes() for name in draw.OF_AUDIT}
    draw.run(params.load())
    assert first == {name: Path(f"paper/figures/{name}.svg").read_bytes() for name in draw.OF_AUDIT}


@pytest.mark.parametrize("name", ["single_choices", "table_blocks"])
def test_a_table_that_is_gone_is_named(project, name):
    from analysis.core.errors import DataError

    write(project / "results" / "audit", learned=True)
    (project / "results" / "audit" / f"{name}.csv").unlink()
    with pytest.raises(DataError, match=f"{name}.csv not found: run the stage audit"):
        draw.run(params.load())


def test_contributions_that_are_undefined_are_left_out(project):
    write(project / "results" / "audit", learned=True)
    table = pd.read_csv("results/audit/shapley.csv")
    table.loc[table.score == "r2", ["value", "standard_error", "low", "high"]] = np.nan
    write_csv(Path("results/audit/shapley.csv"), table)
    draw.run(params.load())
    build.run(params.load())
    text = json.loads(Path("paper/figures/alt.json").read_text())["origin"]
    assert "Contributions to median r²: none is defined" in text
    assert "match to images 0.20" in text
