"""The plots of dvc.yaml draw columns that the stage writes."""

import json
from pathlib import Path

import pytest
import yaml

from analysis.compare import read as tables
from analysis.summary import stage as summary
from tests.project import ROOT

PLOTS = {name: one for entry in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"] for name, one in entry.items()}
COLUMNS = {"layers": tables.LAYERS, "rsa": tables.RSA, "accuracy": summary.ACCURACY}


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
        drawn = fields(json.loads(template.read_text()))
        assert drawn - {"<DVC_METRIC_X>", "<DVC_METRIC_Y>", "rev"} <= set(columns)


def test_layers_by_area_and_rsa_with_its_ceilings_have_templates():
    drawn = {
        name: fields(json.loads((ROOT / f".dvc/plots/{name}.json").read_text()))
        for name in ("layer_area", "rsa_ceilings")
    }
    assert {"layer", "<DVC_METRIC_X>", "<DVC_METRIC_Y>"} <= drawn["layer_area"]
    assert {"layer", "ceiling_lower", "ceiling_upper", "ci_low", "ci_high"} <= drawn["rsa_ceilings"]
    assert {PLOTS["predictivity"]["template"], PLOTS["rsa"]["template"]} == set(drawn)
