"""A folder of fabricated results in the layout of the stage summary: the paper must build from any such folder."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.summary.seeds import summarise
from tests.project import ROOT

AREAS = ("V1", "V2", "V4", "PIT", "CIT", "AIT")
MODELS = {
    "hmo_report": ("hmo_report", "corrected", ("n1", "n2", "n3", "top")),
    "as_reported": ("hmo_report", "report", ("n1", "n2", "n3", "top")),
    "simple_cnn": ("simple_cnn", "corrected", ("conv1", "conv2", "top")),
    "pixels": ("pixels", "corrected", ("pixels",)),
}
RECORDINGS = {"Aa000001": ("Aa", AREAS[:2]), "Bb000002": ("Bb", AREAS[2:4]), "Aa000003": ("Aa", AREAS[4:])}
ENVIRONMENT = {
    "locks": {"requirements.lock": "0123456789abcdef" * 4},
    "image": {"revision": "4b825dc642cb6eb9", "base": "sha256:e3b0c44298fc1c149"},
    "python": "3.11",
    "packages": {"numpy": "9.8.7", "dvc": "6.5.4"},
    "torch": "7.6.5+cpu",
    "device": "cpu",
    "cuda": None,
    "driver": None,
    "numerics": "native",
    "cpu": "A processor of 1999",
    "instruction_set": "MMX",
    "threads": 2,
}
PARTS = {"zeroth": 0.234, "later": 0.345}
UNITS = 12  # per recording and area
IMAGES = 24


def _units(rng) -> pd.DataFrame:
    rows = []
    for model, (_, protocol, layers) in MODELS.items():
        for depth, layer in enumerate([*layers, "best"]):
            for recording, (subject, regions) in RECORDINGS.items():
                for region in regions:
                    for unit in range(UNITS):
                        ceiling = rng.uniform(0.1, 0.8)
                        level = -0.3 if protocol == "report" else 0.1 * depth + 0.03 * AREAS.index(region)
                        r2 = min(level + rng.normal(0, 0.15), 0.95)
                        rows.append(
                            {
                                "model": model,
                                "protocol": protocol,
                                "layer": layer,
                                "recording": recording,
                                "subject": subject,
                                "region": region,
                                "unit": f"{unit + 1}a",
                                "neuroid_id": f"{recording}/{region}/{unit + 1}a",
                                "n_images": IMAGES,
                                "r_corrected": np.clip(r2 + 0.1, -1, 1) / np.sqrt(ceiling),
                                "r": np.clip(r2 + 0.1, -1, 1),
                                "r2": r2,
                                "ceiling": ceiling,
                            }
                        )
    return pd.DataFrame(rows)


def _layers(units: pd.DataFrame) -> pd.DataFrame:
    keys = ["model", "protocol", "layer", "region"]
    table = units.groupby(keys, sort=False).agg(
        n_units=("r2", "size"),
        r_corrected=("r_corrected", "median"),
        r_corrected_low=("r_corrected", lambda x: x.quantile(0.3)),
        r_corrected_high=("r_corrected", lambda x: x.quantile(0.7)),
        r2=("r2", "median"),
        r2_low=("r2", lambda x: x.quantile(0.3)),
        r2_high=("r2", lambda x: x.quantile(0.7)),
        ceiling=("ceiling", "median"),
    )
    return table.reset_index().assign(reduction="none", above_chance=0.5)


def _best() -> pd.DataFrame:
    """Return the layers chosen: of each network the first layer in V1, the last in AIT, by the order of the areas."""
    rows = [
        {"model": model, "protocol": protocol, "recording": recording, "subject": subject, "region": region}
        | {"layers": f"{names[round((len(names) - 1) * AREAS.index(region) / (len(AREAS) - 1))]}:5"}
        for model, (_, protocol, names) in MODELS.items()
        for recording, (subject, regions) in RECORDINGS.items()
        for region in regions
    ]
    return pd.DataFrame(rows)


def _contrasts(layers: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {"model": "hmo_report", "other": "pixels", "layer": layer, "region": region, "difference": 0.123}
        for layer in ("best", "top")
        for region in dict.fromkeys(layers.region)
    ]
    return pd.DataFrame(rows).assign(low=0.041, high=0.205, p=0.004, p_holm=0.008)


def _rsa(units: pd.DataFrame, rng) -> pd.DataFrame:
    keys = ["model", "protocol", "layer", "recording", "subject", "region"]
    table = units.groupby(keys, sort=False).agg(n_images=("n_images", "first"), n_units=("r2", "size")).reset_index()
    table["rho"] = rng.uniform(0, 0.5, len(table))
    table["ci_low"], table["ci_high"] = table.rho - 0.05, table.rho + 0.05
    table["ceiling_lower"], table["ceiling_upper"] = 0.6, 0.7
    return table


def _beyond_label(rng) -> dict[str, pd.DataFrame]:
    """Return the tables beyond_label, learning, kernel and decoding."""
    measures = ["rho", "rho_given_label", "rho_given_both", "r_face", "r_nonface", "r_unseen", "rho_fixed"]
    measures += ["rho_reweighted", "rho_categories", "r2_labels", "r2_unique_model", "r2_unique_labels"]
    shared, learning, kernel, decoding = [], [], [], []
    for model, (_, protocol, layers) in MODELS.items():
        if protocol == "report":
            continue
        who = {"model": model, "protocol": protocol}
        for recording, (subject, regions) in RECORDINGS.items():
            for region in regions:
                here = who | {"recording": recording, "subject": subject, "region": region, "n_images": IMAGES}
                here["n_units"] = UNITS
                for measure in measures:
                    value = rng.uniform(0.0, 0.6)
                    ends = {"ci_low": value - 0.04, "ci_high": value + 0.05, "error": 0.02, "p": 0.3}
                    if measure.startswith("rho_") and "given" not in measure:
                        ends = dict.fromkeys(ends, np.nan)
                    row = here | {"layer": layers[-1], "measure": measure, "value": value} | ends
                    shared += [row, row | {"recording": "all", "subject": "all"}]
                for level, system in ((0.8, "population"), (0.7, "model")):
                    row = here | {"system": system}
                    learning += [row | {"n_train": n, "score": level - 1 / n} for n in (8, 16, 32)]
                    kernel += [row | {"complexity": 10.0**k, "precision": level - 0.1 * k} for k in range(3)]
                    scored = {"factor": "all", "level": "all", "measure": "balanced accuracy"}
                    decoding.append(row | scored | {"score": level + 0.01 * AREAS.index(region)})
    tables = {"beyond_label": shared, "learning": learning, "kernel": kernel, "decoding": decoding}
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def _rdms(path: Path, model: str, layer: str, rng) -> None:
    import xarray

    faces = np.repeat([1.0, 0.0], IMAGES // 2)[:, None]
    category = np.array(["face"] * (IMAGES // 2) + ["none"] * (IMAGES // 2))
    order = rng.permutation(IMAGES)  # the file keeps the order of the images, the figure orders by category
    matrices = {}
    for name, noise in (("model_rdm", 0.5), ("neural_rdm", 1.5)):
        pattern = faces * np.array([1.0, -1.0] * 10) + noise * rng.normal(size=(IMAGES, 20))
        matrices[name] = (("image", "other"), 1 - np.corrcoef(pattern[order]))
    data = xarray.Dataset(
        matrices,
        coords={"stem": ("image", [f"{i:032x}" for i in range(IMAGES)]), "category": ("image", category[order])},
        attrs={"recording": "Aa000003", "region": "AIT", "layer": layer, "n_units": UNITS, "rho": 0.25},
    )
    path.parent.mkdir(parents=True)
    data.to_netcdf(path, engine="h5netcdf")


def _seeds() -> pd.DataFrame:
    """Return scores of the report HMO from three seeds, and of pixels, which have none."""
    predicted = {"region": "AIT", "measure": "r_corrected", "layer": "best"}
    trained = {"region": "", "measure": "accuracy", "layer": ""}
    rows = [{"model": "hmo_report", "seed": k, "value": 0.3 + k / 10} | predicted for k in range(3)]
    rows += [{"model": "hmo_report", "seed": k, "value": 0.8 + k / 100} | trained for k in range(3)]
    return pd.DataFrame([*rows, {"model": "pixels", "seed": 0, "value": 0.1} | predicted])


def fabricate(folder: Path, source: str = "simulated", missing: tuple[str, ...] = ()) -> Path:
    """Write results of every kind to `folder`; numbers are drawn with a fixed seed."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    units = _units(rng)
    units.to_csv(folder / "units.csv", index=False)
    layers = _layers(units)
    layers.to_csv(folder / "layers.csv", index=False)
    _contrasts(layers).to_csv(folder / "contrasts.csv", index=False)
    _best().to_csv(folder / "best.csv", index=False)
    rsa = _rsa(units[units.layer != "best"], rng)
    rsa.to_csv(folder / "rsa.csv", index=False)
    accuracy = pd.DataFrame(
        {
            "model": model,
            "protocol": protocol,
            "split": split,
            "n": 120,
            "accuracy": 0.85 - 0.05 * i,
            "ci_low": 0.80 - 0.05 * i,
            "ci_high": 0.90 - 0.05 * i,
            "balanced_accuracy": 0.84 - 0.05 * i,
        }
        for i, (model, (_, protocol, _)) in enumerate(MODELS.items())
        for split in ("train", "validation", "test")
    )
    accuracy.to_csv(folder / "accuracy.csv", index=False)
    values = _seeds()
    values.to_csv(folder / "seed_values.csv", index=False)
    summarise(values).to_csv(folder / "seeds.csv", index=False)
    for name, table in _beyond_label(rng).items():
        table.to_csv(folder / f"{name}.csv", index=False)
    columns = ["model", "protocol", "layer", "recording", "region", "unit"]
    single = units.loc[(units.model == "hmo_report") & (units.layer == "top"), columns]
    parts = [single.assign(part=part, n_fixations=90, explained=x, published=x) for part, x in PARTS.items()]
    pd.concat(parts).to_csv(folder / "fixations.csv", index=False)
    tests = rsa.groupby(["model", "protocol", "layer", "region"], sort=False).rho.mean().reset_index()
    tests.assign(recordings=1, p_bh=0.01, p_max=0.0002).to_csv(folder / "tests.csv", index=False)
    top = units[(units.model == "hmo_report") & (units.layer == "top")]
    validation = top[["recording", "subject", "region", "unit", "ceiling"]].assign(
        explainable=lambda t: (t.ceiling + rng.normal(0, 0.05, len(t))).clip(0, 1), drifting=lambda t: t.unit == "2a"
    )
    validation = validation if source == "simulated" else validation[:0]
    validation.to_csv(folder / "validation.csv", index=False)
    for model, (_, _, names) in MODELS.items():
        _rdms(folder / "compare" / model / "rdms.nc", model, names[-1], rng)
    summary = {
        "source": source,
        "missing": list(missing),
        "data": {
            "images": 240,
            "faces": 100,
            "recordings": len(RECORDINGS),
            "subjects": 2,
            "units": UNITS * len(AREAS),
            "fixations_in_file": 9000,
            "fixations_selected": 4000,
        },
        "models": {
            model: {"kind": kind, "protocol": protocol, "layers": list(names), "top_layer": names[-1]}
            for model, (kind, protocol, names) in MODELS.items()
        },
        "validation": {
            **{"units": len(validation), "drifting": int(validation.drifting.sum())},
            "steady": {"units": int((~validation.drifting).sum()), "mean_difference": 0.01, "pearson_r": 0.97},
        }
        if source == "simulated"
        else None,
    }
    (folder / "summary.json").write_text(json.dumps(summary, sort_keys=True))
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "example.json").write_text(json.dumps(_example()))
    return folder


def _jpeg() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6)).save(buffer, "JPEG")
    return base64.b64encode(buffer.getvalue()).decode()


def _example() -> dict:
    """Return an example recording of two units, the first of which spikes 10 ms after each fixation onset."""
    stems = [f"{i:032x}" for i in range(IMAGES)]
    fixations = [[0.5, -1.25, start, start + 150, start < 400] for start in (0, 200, 400)]
    spikes = [[10, 210, 410], [-50]]
    presentation = {"window": [-100, 650], "fixations": fixations, "spikes": spikes}
    images = [
        {"stem": stem, "category": "none", "jpeg": None, "presentations": [presentation] * 4} for stem in stems[:6]
    ]
    units = [{"name": "40a", "area": "CIT"}, {"name": "1a", "area": "AIT"}]
    recording = {"name": "Aa000003", "size_dva": [16.0, 12.0], "units": units, "images": images}
    return {
        "recording": recording,
        "missing": None,
        "thumbnails": {stem: _jpeg() if row else None for row, stem in enumerate(stems)},
        "screen_grey": 100,
    }


@pytest.fixture(scope="session")
def fabricated(tmp_path_factory) -> Path:
    """Results folder, shared: tests that change it copy it first."""
    return fabricate(tmp_path_factory.mktemp("fabricated") / "results")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory, fabricated) -> Path:
    """A project folder with the paper's sources, fabricated data and results, and the figures drawn from them."""
    from analysis import params
    from paper import draw

    folder = tmp_path_factory.mktemp("drawn")
    skip = shutil.ignore_patterns("figures", "*.pdf", "report.html", "claims.json", "__pycache__")
    shutil.copytree(ROOT / "paper", folder / "paper", ignore=skip)
    for kept in ("recorded", "truth"):
        for table in (folder / "paper" / kept).glob("*.json"):
            table.unlink()  # tests write the tables that they want
    shutil.copytree(fabricated, folder / "results")
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/manifest.json").write_text("{}")
    shutil.copytree(ROOT / "analysis", folder / "analysis", ignore=skip)  # the paper names the state of the code
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        draw.run(params.load())
    return folder


@pytest.fixture
def project(tmp_path, drawn, monkeypatch) -> Path:
    """A copy of such a folder that a test may change, made the working folder."""
    folder = tmp_path / "project"
    shutil.copytree(drawn, folder, ignore=shutil.ignore_patterns("*.pdf"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def fabricate_results():
    """Return the function that writes a results folder, for tests that want another one."""
    return fabricate


@pytest.fixture(scope="session")
def page(drawn) -> Path:
    """The page of the fabricated results, with a recorded data set and a walk."""
    from paper import provenance
    from paper.page import build
    from paper.results import read
    from tests.paper.tables import fabricate_walk, table, write

    folder = drawn.parent / "page"
    shutil.copytree(drawn, folder)
    write(folder, table())
    fabricate_walk(folder / "results/audit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        build.OUTPUT.write_text(build.build(read(), provenance.describe()))
    return folder / build.OUTPUT


@pytest.fixture
def walked(project) -> Path:
    """A project with the tables of an audit of two choices."""
    from tests.paper.tables import fabricate_walk

    fabricate_walk(project / "results/audit")
    return project
