"""The section and the figures of the audit, from tables that the audit itself makes of planted data."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest
from analysis.audit.protocol_steps.steps import protocol_steps

from analysis import params
from analysis.audit.flaws import block_confound, selection_bias, trial_join
from analysis.audit.protocol_steps import scores
from analysis.audit.table import simulated_studies, table_audit
from analysis.audit.table.response_table import ResponseTable
from analysis.core.files import as_json, write_csv, write_json
from paper import build, draw


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
    for network in (scores.SMALL, scores.TRAINED):
        for step in protocol_steps():
            row = {"network": network, "walk": step.order, "step": step.number, "field": step.field, "value": "x"}
            row |= {"units": 30, "images": 100, "seeds": 1}
            for name in scores.SCORES:
                value = -3.0 if name == "r2" and step.number == 0 else rng.uniform(-0.2, 0.8)
                row |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
            rows.append(row)
    table = pd.DataFrame(rows, columns=scores.COLUMNS)
    alone = (table.walk == "flawed alone") & (table.field == "join")
    table.loc[alone, ["pearson_r", "pearson_r_low", "pearson_r_high"]] = [0.0123, -0.04, 0.06]
    table.loc[alone, ["r2", "r2_low", "r2_high"]] = [-0.0057, -0.02, 0.0]
    few = table[(table.network == scores.SMALL) & (table.walk == "flawed alone") & table.field.isin(["", "join"])]
    planted = few.assign(network=scores.PLANTED, r2=[0.7123, -0.0091], accuracy=np.nan)
    return pd.concat([table, planted], ignore_index=True)


def write(folder: Path, learned: bool) -> dict:
    """Write an audit as the stage does, with tables that need no network or with them."""
    rng = np.random.default_rng(2)
    found = {
        name: pd.DataFrame(columns=c) for name, c in (("ladder", scores.COLUMNS), ("confound", block_confound.COLUMNS))
    }
    found["selection"] = pd.DataFrame(columns=selection_bias.COLUMNS)
    if learned:
        found["ladder"] = scored()
        rows = [
            [
                join,
                kind,
                "a+b",
                0,
                60,
                rng.uniform(0.1, 0.4),
                0.1,
                0.5,
                *rng.uniform(0, 0.2, 3),
                0.1,
                0.01,
                0.01,
                kind == "merged",
            ]
            for join in ("trial_id", "row")
            for kind in ("single", "merged")
            for _ in range(3)
        ]
        found["confound"] = pd.DataFrame(rows, columns=block_confound.COLUMNS)
        found["selection"] = pd.DataFrame(
            [[k, 40, 0.7, 0.71, 0.75 + k / 100, 0.04 + k / 100] for k in range(4)], columns=selection_bias.COLUMNS
        )
    found["joins"] = pd.DataFrame(
        [["A1", join, 100, *counts, 300, 3, 90] for join, counts in (("row", (3, 77, 20)), ("trial_id", (100, 0, 0)))],
        columns=trial_join.COLUMNS,
    )
    found["studies"] = simulated_studies.judge_studies(3, 20, 0)
    audited = table_audit.audit_table(merged_table(), rows=40, draws=2, shuffles=20, seed=0)
    found |= {f"table_{name}": table for name, table in audited.tables.items()}
    for name, table in found.items():
        write_csv(folder / f"{name}.csv", table)
    only = {"accuracy": 0.6, "balanced_accuracy": 0.61, "n_test": 66, "share_jpg_face": 0.8, "share_jpg_non_face": 0.5}
    about = {
        "area": "AIT",
        "recordings": 3,
        "ladder": scores.summarise(found["ladder"]),
        "confound": block_confound.summarise(found["confound"]),
        "joins": trial_join.summarise(found["joins"]),
        "labels": {"face_like": 193, "face_like_called_non_face": 29, "format_only": {"filename": only, "roi": only}},
        "selection": selection_bias.summarise(found["selection"]),
        "studies": simulated_studies.summarise(found["studies"]),
        "table": {"source": "merged", "missing": None, **audited.summary},
    }
    write_json(folder / "summary.json", as_json(about))
    return about


def text_of_paper() -> str:
    pages = pypdf.PdfReader("paper/report.pdf").pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_the_section_tells_what_the_audit_found(project):
    write(project / "results" / "audit", learned=True)
    values = params.load()
    draw.run(values)
    build.run(values)
    assert {f"{name}.svg" for name in draw.AUDIT_PLOTS} <= {path.name for path in Path("paper/figures").iterdir()}
    text = text_of_paper()
    assert "The origin of the report" in text
    assert "0.012 (\N{MINUS SIGN}0.040 to 0.060, which includes zero)" in text
    assert "\N{MINUS SIGN}0.006 (\N{MINUS SIGN}0.020 to 0.000, which includes zero)" in text
    assert "0.712 (" in text
    assert "\N{MINUS SIGN}0.009 (\N{MINUS SIGN}0.020 to 0.000, which includes zero)." in text
    assert re.search(r"29 as non.{1,3}faces", text)
    assert re.search(r"3\.0\s?% of all presen", text)
    texts = json.loads(Path("paper/figures/alt.json").read_text())
    assert "two, misaligned: rho" in texts["audit_controls"]


def test_without_networks_the_section_keeps_what_is_known(project):
    write(project / "results" / "audit", learned=False)
    values = params.load()
    draw.run(values)
    build.run(values)
    drawn = {path.name for path in Path("paper/figures").iterdir()}
    assert "audit_table.svg" in drawn
    assert "audit_ladder.svg" not in drawn
    text = text_of_paper()
    assert re.search(r"29 as non.{1,3}faces", text)
    assert "One choice at a time" not in text


def test_figures_of_the_audit_have_the_same_bytes_twice(project):
    write(project / "results" / "audit", learned=True)
    draw.run(params.load())
    first = {name: Path(f"paper/figures/{name}.svg").read_bytes() for name in draw.AUDIT_PLOTS}
    draw.run(params.load())
    assert first == {name: Path(f"paper/figures/{name}.svg").read_bytes() for name in draw.AUDIT_PLOTS}


@pytest.mark.parametrize("name", ["ladder", "table_blocks"])
def test_a_table_that_is_gone_is_named(project, name):
    from analysis.core.errors import DataError

    write(project / "results" / "audit", learned=True)
    (project / "results" / "audit" / f"{name}.csv").unlink()
    with pytest.raises(DataError, match=f"{name}.csv cannot be read"):
        draw.run(params.load())
