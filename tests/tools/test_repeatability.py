import gzip
import json

import numpy as np
import pytest
import xarray as xr

from analysis.core.errors import DataError
from analysis.neural.repeatability import LISTED, listed_units
from analysis.tools import repeatability
from tests.project import ROOT

COMMITTED = ROOT / "paper/recorded/An220105.json"


@pytest.fixture(scope="module")
def found(reference, tmp_path_factory) -> dict:
    stem = reference / "000628/sub-An/sub-An_ses-20220105T173929"
    out = tmp_path_factory.mktemp("real") / "An220105.json"
    main = stem.with_name(stem.name + "_image.nwb")
    repeatability.write_repeatability(main, stem.with_suffix(".nwb"), reference / "annotations", out)
    return json.loads(out.read_text())


def test_the_committed_table_is_that_of_the_recording(found):
    committed = json.loads(COMMITTED.read_text())
    for value in (found, committed):
        del value["environment"], value["hashes"]["code"]  # of whichever environment and code wrote it
    assert found == committed


def test_it_agrees_with_what_the_authors_published(found):
    v1 = found["repeatability"]["V1"]
    assert (v1["units"], v1["visually_selective"], v1["listed"], v1["both"]) == (35, 12, 12, 12)
    assert v1["rsc_across_trials"] < v1["rsc"] < v1["rsc_selective"]
    assert (found["images"], found["fixations"]) == (300, 3426)


def build(rng) -> xr.Dataset:
    """Return a recording of two areas: the first unit of each responds to the image, the second to nothing."""
    image = np.repeat(np.arange(900), 4)
    rate = rng.normal(size=(3600, 4))
    rate[:, [0, 2]] = rng.normal(size=(900, 2))[image] * [3, 6] + rate[:, [0, 2]]
    unit = {
        "unit": list("abcd"),
        "region": ["V4", "V4", "AIT", "AIT"],
        "visually_selective": [True, False, True, False],
    }
    unit |= {"rsc": [0.6, 0.0, 0.8, np.nan], "rsc_across_trials": [0.5, 0.0, 0.7, np.nan]}
    fixation = {"stimulus_id": [f"i{k}" for k in image], "trial": np.arange(3600), "selected": np.ones(3600, bool)}
    coords = {name: ("unit", values) for name, values in unit.items()}
    coords |= {name: ("fixation", values) for name, values in fixation.items()}
    return xr.Dataset({"rate": (("fixation", "unit"), rate)}, coords, {"recording": "Xx000001"})


def test_areas_are_kept_apart_and_undefined_units_left_out():
    found = repeatability.describe(build(np.random.default_rng(0)), {"a", "d"})
    v4, ait = found["repeatability"]["V4"], found["repeatability"]["AIT"]
    assert (v4["listed"], v4["both"], ait["listed"], ait["both"]) == (1, 1, 1, 0)
    assert (v4["rsc"], v4["rsc_selective"], ait["rsc"]) == (0.3, 0.6, 0.8)
    # signal 9 and 36 times the noise of one presentation, of four: reliabilities 0.97 and 0.99, and 0 of the others
    assert v4["reliability"] == pytest.approx(0.97 / 2, abs=0.05)
    assert ait["reliability"] == pytest.approx(0.99 / 2, abs=0.05)
    assert found["presentations"] == 3600
    assert found["models"] == {}


def test_a_damaged_list_of_units_is_named(reference, tmp_path):
    for path in (reference / "annotations/db").iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(DataError, match=r"visually_selective\.csv\.gz: no table with Session and Unit"):
        listed_units(tmp_path, "An220105")
    (tmp_path / "unit_sel").mkdir()
    with gzip.open(tmp_path / LISTED, "wt") as file:
        file.write("Session,Name\nAn220105,7\n")
    with pytest.raises(DataError, match="Unit"):
        listed_units(tmp_path, "An220105")
