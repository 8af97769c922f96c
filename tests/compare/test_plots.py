"""The plots of dvc.yaml draw columns that the stage writes."""

import json
from pathlib import Path

import pytest
import yaml

from analysis.compare import read as tables
from tests.project import ROOT

PLOTS = {name: one for entry in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"] for name, one in entry.items()}
COLUMNS = {"layers": tables.LAYERS, "beyond_label": tables.TABLES["beyond_label"]}


def derived(template) -> set[str]:
    """Return the fields that a specification computes itself."""
    return {step["as"] for step in template.get("transform", []) if isinstance(step.get("as"), str)}


def fields(part) -> set[str]:
    """Return the fields that a Vega-Lite specification draws or reads as numbers."""
    if isinstance(part, dict):
        own = {part["field"]} if isinstance(part.get("field"), str) else set()
        return own.union(part.get("parse", {}), *map(fields, part.values()))
    return set().union(*map(fields, part)) if isinstance(part, list) else set()


@pytest.mark.parametrize("name", list(PLOTS))
def test_columns_are_those_of_the_table(name):
    plot = PLOTS[name]
    ((path, y),) = plot["y"].items()
    columns = COLUMNS[Path(path).stem]
    assert {plot["x"], y} <= set(columns)
    template = ROOT / ".dvc/plots" / f"{plot['template']}.json"
    if template.is_file():  # else it is one of DVC's own
        specification = json.loads(template.read_text())
        drawn = fields(specification) - derived(specification)
        assert drawn - {"<DVC_METRIC_X>", "<DVC_METRIC_Y>", "rev"} <= set(columns)


def test_every_template_is_drawn_by_one_plot():
    kept = {path.stem for path in (ROOT / ".dvc/plots").glob("*.json")}
    assert kept == {plot["template"] for plot in PLOTS.values()}
