"""The section and the figure of the explanations, from tables in the form that the stage writes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json
from analysis.explain.stage import TABLES
from analysis.recordings import netcdf
from paper import draw, expected, results
from paper.claims import build as claims
from tests.paper.prose import supplement_on_one_page

METHODS = ("lime", "occlusion")


def difference(estimate: float) -> dict:
    """Return a difference with an interval of 0.1 to either side."""
    return {"difference": estimate, "ci_low": estimate - 0.1, "ci_high": estimate + 0.1}


def write(folder: Path, occlusion: float = 0.31, blurred: float = 0.42) -> None:
    """Write the explanations of one model.

    Its maps by LIME lie in faces as much as in shifted faces; those by occlusion lie there more by `occlusion`.
    """
    rng = np.random.default_rng(1)
    pictures = {"a": 0.1234, "b": 0.2468}
    images = [("hmo_report", "trained", method, stem, p, 0.25) for method in METHODS for stem, p in pictures.items()]
    write_csv(folder / "images.csv", pd.DataFrame(images, columns=TABLES["images"]))
    rows = [("hmo_report", "trained", method, 9, 0.432, 0.25, 0.1, 0.0, 0.2) for method in METHODS]
    write_csv(folder / "localisation.csv", pd.DataFrame(rows, columns=TABLES["localisation"]))
    write_csv(folder / "comparisons.csv", pd.DataFrame(columns=TABLES["comparisons"]))
    maps = {
        method: {
            "trained": {"n_images": 9, "in_face": 0.25 + gap, "in_shifted_faces": 0.25, **difference(gap)},
            "minus": {"initial": difference(gap), "centre_bias": difference(gap - 0.05)},
        }
        for method, gap in zip(METHODS, (0.01, occlusion), strict=True)
    }
    p_face = {"faces": {"intact": 0.86, "blurred": blurred}, "non_faces": {"intact": 0.13, "blurred": 0.37}}
    about = {"images": 9, "p_face": p_face, "maps": maps}
    write_json(folder / "summary.json", {"models": {"hmo_report": about}, "skipped": {}})
    gallery = xr.Dataset(
        {
            "picture": (("image", "channel", "row", "column"), rng.integers(0, 255, (2, 3, 16, 16), np.uint8)),
            "face": (("image", "row", "column"), np.eye(16, dtype=np.uint8)[None] * [[[1]], [[0]]]),
            "map_hmo_report": (
                ("method", "image", "row_hmo_report", "column_hmo_report"),
                rng.normal(size=(2, 2, 9, 9)),
            ),
            "p_face_hmo_report": ("image", [0.9, 0.1]),
        },
        coords={"stem": ("image", ["a", "c"]), "kind": ("image", ["face", "object"]), "method": list(METHODS)},
    )
    netcdf.write(gallery, folder / "gallery.nc")


def draw_explanations() -> None:
    """Draw the figure of the explanations beside the others, which the project has."""
    found, folder = results.read(), Path("paper/figures")
    texts, sources = (json.loads((folder / name).read_text()) for name in ("alt.json", "sources.json"))
    said = claims.write(found)
    for name, how in draw.plots_for(found).items():
        if name == "explain":
            texts[name], sources[name] = draw.draw_figure(found, said, name, how)
    write_json(folder / "alt.json", texts)
    write_json(folder / "sources.json", sources)


@pytest.mark.parametrize(
    ("occlusion", "blurred", "verdict"),
    [
        (
            0.31,
            0.42,
            "maps by occlusion lie in faces more than in shifted faces. Maps by occlusion also exceed both",
        ),
        (0.12, 0.42, "occlusion lie in faces more than in shifted faces. No map exceeds both other controls"),
        (0.05, 0.42, "neither map lies in faces detectably more than in shifted faces."),
        (
            -0.21,
            0.91,
            "detectably more than in shifted faces; those by occlusion lie there less",
        ),
    ],
)
def test_the_section_states_what_the_intervals_show(project, occlusion, blurred, verdict):
    write(project / "results/explain", occlusion, blurred)
    draw_explanations()
    text = supplement_on_one_page()
    assert verdict in text
    assert f"images with a face have a mean probability of a face of {blurred} instead of 0.86" in text
    assert ("cannot show what makes the network call an image a face" in text) == (blurred == 0.91)
    assert "occlusion 9" in text
    alternative = json.loads(Path("paper/figures/alt.json").read_text())["explain"]
    assert "LIME: 0.19 of the positive map in the face, 0.25 in shifted faces" in alternative
    assert "LIME of hmo_report: 43.2 % of the positive map" in expected.EXPECTED["explain"](results.read())


def test_without_models_the_section_gives_the_reasons_and_no_figure(project):
    folder = project / "results/explain"
    write(folder)
    for name, columns in TABLES.items():
        write_csv(folder / f"{name}.csv", pd.DataFrame(columns=columns))
    write_json(folder / "summary.json", {"models": {}, "skipped": {"hmo_report": "its images are missing"}})
    draw_explanations()
    assert "HMO: its images are missing" in supplement_on_one_page()
    assert not any(path.name.startswith("explain") for path in Path("paper/figures").iterdir())


def test_a_table_that_is_gone_is_named(project):
    write(project / "results/explain")
    (project / "results/explain/images.csv").unlink()
    with pytest.raises(DataError, match=r"images\.csv not found: run the stage explain"):
        draw_explanations()
