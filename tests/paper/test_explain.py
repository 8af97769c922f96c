"""The section and the figures of the explanations, from tables in the form that the stage writes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest
import xarray as xr

from analysis import params
from analysis.core.errors import DataError
from analysis.core.files import write_csv, write_json
from analysis.explain.stage import TABLES
from analysis.recordings import netcdf
from paper import build, draw, results
from paper.plots.explain import read as explain

METHODS = ("gradcam", "occlusion")
ENDS = {"n_images": 9, "ci_low": 0.1, "ci_high": 0.4}


def write(folder: Path, low: float = 0.71) -> None:
    """Write the explanations of one model whose Grad-CAM beats its untrained twin and, if `low` is high, the centre."""
    rng = np.random.default_rng(1)
    whose = [(w, m) for w in ("trained", "untrained") for m in METHODS] + [("none", c) for c in ("centre", "edges")]
    maps = [{"model": "hmo_report", "weights": weights, "method": method} for weights, method in whose]
    orders = [{"model": "hmo_report", "order": o, "curve": c} for o in METHODS for c in ("deletion", "insertion")]
    over = {"over_random": 0.2, "over_random_low": 0.1, "over_random_high": 0.3}
    areas = [*maps, {"model": "hmo_report", "weights": "none", "method": "region"}]
    area = {"n_units": 44, "n_follow": 7, "mean_r": 0.0511, "mean_beyond": 0.0433, "ci_low": 0.01, "ci_high": 0.08}
    lesion = {"model": "hmo_report", "layer": "top", "k": 5, "n": 40, "intact": 0.9, "face": 0.6, "control": 0.85}
    lesion |= {"level_face": 1.0, "level_control": 1.1, "loss": 0.2345, "ci_low": 0.11, "ci_high": 0.37}
    measures = (("accuracy", ""), ("predictivity", "AIT"), ("rho", "AIT"))
    rows = {
        "images": [m | {"stem": "a", "pointing": 1.0, "mass": 0.5, "iou": 0.2} for m in maps],
        "attribution": [m | {"score": "pointing", "estimate": rng.uniform(0.1, 0.4), **ENDS} for m in maps],
        "curves": [o | {"share": s, "p_face": rng.random()} for o in orders for s in (0.0, 0.5, 1.0)],
        "faithfulness": [o | {"estimate": 0.3, **ENDS, **over} for o in orders],
        "areas": [m | {"region": region, **area} for m in areas for region in ("V1", "AIT")],
        "layers": [
            {"model": "hmo_report", "weights": w, "layer": "top", "n_channels": 99, "n_active": 77, "n_face": n}
            for w, n in (("trained", 33), ("untrained", 3))
        ],
        "lesions": [lesion | {"share": s, "measure": m, "region": r} for m, r in measures for s in (0.1, 0.3)],
    }
    for name, columns in TABLES.items():
        write_csv(folder / f"{name}.csv", pd.DataFrame(rows.get(name, []), columns=columns))
    twin = {"estimate": 0.3, "low": 0.2, "high": 0.4}
    centre = {"estimate": 0.5, "low": 0.4, "high": 0.6}
    pointing = {
        "gradcam": {
            "trained": {"estimate": 0.812, "low": low, "high": 0.9},
            "untrained": twin,
            "beats_untrained": True,
        },
        "occlusion": {"trained": twin, "untrained": twin, "beats_untrained": False, "beats_centre": False},
    }
    pointing["gradcam"]["beats_centre"] = low > centre["high"]
    alike = {"rho": 0.05, "low": 0.0, "high": 0.12}
    about = {
        "images": 9,
        "size": 64,
        "skipped": {},
        "pointing": pointing,
        "controls": {"centre": centre},
        "randomisation": {"gradcam": alike | {"passes": True}, "occlusion": alike | {"passes": low > 0.6}},
    }
    write_json(folder / "summary.json", {"models": {"hmo_report": about}, "skipped": {}})
    side = 12
    gallery = xr.Dataset(
        {
            "picture": (("image", "channel", "row", "column"), rng.integers(0, 255, (2, 3, side, side), np.uint8)),
            "map": (("method", "image", "row", "column"), rng.normal(size=(2, 2, side, side))),
            "region": (("image", "row", "column"), np.eye(side, dtype=np.uint8)[None] * [[[1]], [[0]]]),
            **{name: ("fixation", np.array([0.2, 0.7])) for name in ("fixation_x", "fixation_y")},
            "fixation_image": ("fixation", np.array([0, 1], np.int32)),
        },
        coords={"stem": ("image", ["a", "b"]), "kind": ("image", ["face", "object"]), "method": list(METHODS)},
        attrs={"model": "hmo_report"},
    )
    netcdf.write(gallery, folder / "gallery.nc")


def draw_explanations() -> None:
    """Draw the figures of the explanations beside the others, which the project has."""
    found, folder = results.read(), Path("paper/figures")
    texts, sources = (json.loads((folder / name).read_text()) for name in ("alt.json", "sources.json"))
    for name, how in draw.EXPLAIN_PLOTS.items():
        if explain.is_drawable(found, name):
            texts[name], sources[name] = draw.draw_figure(found, name, how)
    write_json(folder / "alt.json", texts)
    write_json(folder / "sources.json", sources)


def text_of_paper() -> str:
    pages = pypdf.PdfReader("paper/report.pdf").pages
    return " ".join(" ".join(page.extract_text() for page in pages).split()).replace("\N{SOFT HYPHEN}", "-")


@pytest.mark.parametrize("low", [0.71, 0.45])
def test_the_section_states_the_intervals_and_no_winner(project, low):
    write(project / "results/explain", low)
    draw_explanations()
    build.run(params.load())
    text = text_of_paper()
    assert f"Grad-CAM 0.81 ({low:.2f} to 0.90) 0.30 (0.20 to 0.40)" in text
    assert "centre bias \N{EN DASH} \N{EN DASH} 0.50 (0.40 to 0.60)" in text
    assert "beat" not in text
    if low > 0.6:
        assert "check passes for every method" in text
    else:
        assert "check fails for occlusion" in text
    assert "0.043 (0.010 to 0.080), and 7 of 44 units follow" in text
    assert "33 of 77 active channels" in text
    assert "(mean activation 1.00; matched channels, 1.10)" in text
    assert "0.235 (0.110 to 0.370)" in text or "0.234 (0.110 to 0.370)" in text
    texts = json.loads(Path("paper/figures/alt.json").read_text())
    assert set(draw.EXPLAIN_PLOTS) <= set(texts)


def test_without_models_the_section_gives_the_reasons_and_no_figure(project):
    folder = project / "results/explain"
    write(folder)
    for name, columns in TABLES.items():
        write_csv(folder / f"{name}.csv", pd.DataFrame(columns=columns))
    write_json(folder / "summary.json", {"models": {}, "skipped": {"hmo_report": "its images are missing"}})
    draw_explanations()
    build.run(params.load())
    assert "HMO: its images are missing" in text_of_paper()
    assert not any(path.name.startswith("explain") for path in Path("paper/figures").iterdir())


def test_a_table_that_is_gone_is_named(project):
    write(project / "results/explain")
    (project / "results/explain/areas.csv").unlink()
    with pytest.raises(DataError, match=r"areas\.csv cannot be read"):
        draw_explanations()
