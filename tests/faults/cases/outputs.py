"""Commands used by hand that are told to write over their inputs, over other files, or where nothing can be."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.faults.case import Case, one, together, write

SUBJECT = "data/raw/dandiset/sub-Mo/sub-Mo_ses-20210505T112019"
MAIN, RASTERS, DB = f"{SUBJECT}_image.nwb", f"{SUBJECT}.nwb", "data/raw/annotations/db"
TABLE = "data/recordings/corrected/Mo210505.nc"
RECORDING = f"recording {MAIN} {RASTERS} --annotations {DB} --out"
AUDIT = "audit table out/units.csv --label label"
IMAGE = "explain --model hmo_report --image face.png"
INTACT = ("data/raw/dandiset/**/*.nwb", "data/raw/annotations/**/*", "data/recordings/**/*.nc")


def link(name: str, target: str, *, hard: bool = False) -> Callable[[Path], None]:
    """Return the fault of a link, symbolic or hard, to a file of the experiment."""

    def apply(folder: Path) -> None:
        (folder / name).hardlink_to(folder / target) if hard else (folder / name).symlink_to(folder / target)

    return apply


def folder_at(name: str) -> Callable[[Path], None]:
    """Return the fault of a folder of that name."""
    return lambda folder: (folder / name).mkdir(parents=True)


def pipe_at(name: str) -> Callable[[Path], None]:
    """Return the fault of a pipe of that name."""
    return lambda folder: os.mkfifo(folder / name)


def picture(folder: Path) -> None:
    """Lay an image to explain into the folder."""
    from PIL import Image

    Image.new("RGB", (40, 40), "white").save(folder / "face.png")


def responses(name: str, n_units: int = 6) -> Callable[[Path], None]:
    """Return the fault of a table to audit."""
    kinds, units = ["face", "other"], range(1, n_units + 1)
    rows = [
        ",".join([f"i{n}.png", kinds[n % 2], str(n // 30), *(str(n * n % (7 + 4 * unit)) for unit in units)])
        for n in range(60)
    ]
    return write(name, "\n".join(["image,label,block," + ",".join(f"u{unit}" for unit in units), *rows]))


def case(name: str, command: str, says: str, *faults, intact: tuple[str, ...] = ()) -> Case:
    """Return a case in which inputs and what else is named must stay."""
    return Case(name, command, says, together(*faults), intact=(*INTACT, *intact))


INPUT = "is an input of this command"
THERE = "already exists; give another name, or --force"
CASES = [
    case("recording-over-main", f"{RECORDING} {MAIN}", r"give a name that ends in \.nc"),
    case("recording-over-main-by-force", f"{RECORDING} {MAIN} --force", r"give a name that ends in \.nc"),
    case("recording-over-link", f"{RECORDING} x.nc --force", INPUT, link("x.nc", MAIN)),
    case("recording-over-hard-link", f"{RECORDING} x.nc --force", INPUT, link("x.nc", RASTERS, hard=True)),
    case("recording-over-annotations", f"{RECORDING} x.nc --force", INPUT, link("x.nc", f"{DB}/sess_rig_info.csv")),
    case("recording-over-other", f"{RECORDING} x.nc", THERE, write("x.nc", "mine"), intact=("x.nc",)),
    case("recording-over-pipe", f"{RECORDING} x.nc --force", "is not a regular file", pipe_at("x.nc")),
    case("recording-into-folder", f"{RECORDING} x.nc", "is a folder", folder_at("x.nc")),
    case("recording-into-nowhere", f"{RECORDING} none/x.nc", "none is not a folder: create it"),
    case("recording-into-file", f"{RECORDING} params.yaml/x.nc", "is not a folder", intact=("params.yaml",)),
    case("recording-swapped", f"recording {RASTERS} {MAIN} --annotations {DB} --out x.nc", "are swapped"),
    case("recording-main-twice", f"recording {MAIN} {MAIN} --annotations {DB} --out x.nc", "is a main file: give the"),
    case("recording-rasters-twice", f"recording {RASTERS} {RASTERS} --annotations {DB} --out x.nc", "holds rasters"),
    case("recording-of-table", f"recording {TABLE} {RASTERS} --annotations {DB} --out x.nc", "not named like a pub"),
    case("export-over-input", f"export-assembly {TABLE} {TABLE} --force", INPUT),
    case("export-over-input-by-name", f"export-assembly Mo210505 {TABLE} --force", INPUT),
    case("export-over-input-by-dots", f"export-assembly {TABLE} models/../{TABLE} --force", INPUT),
    case("export-over-other", f"export-assembly {TABLE} x.nc", THERE, write("x.nc", "mine"), intact=("x.nc",)),
    case("export-as-csv", f"export-assembly {TABLE} x.csv", r"give a name that ends in \.nc"),
    case("export-into-nowhere", f"export-assembly {TABLE} none/x.nc", "none is not a folder: create it"),
    case("inspect-over-input", f"inspect {TABLE} --plot --out {TABLE} --force", r"ends in \.png or \.pdf or \.svg"),
    case("inspect-over-link", f"inspect {TABLE} --plot --out x.png --force", INPUT, link("x.png", TABLE)),
    case("inspect-over-licence", f"inspect {TABLE} --plot --out LICENSE", r"ends in \.png", write("LICENSE", "MIT"),
         intact=("LICENSE",)),
    case("inspect-over-default", f"inspect {TABLE} --plot", THERE, write("Mo210505.png", "x"), intact=("*.png",)),
    case("inspect-page-unasked", f"inspect {TABLE} --out x.png", "only applies with --plot"),
    case("inspect-force-unasked", f"inspect {TABLE} --force", "only applies with --plot"),
    case("inspect-protocol-of-file", f"inspect {TABLE} --protocol report", "is a file"),
    case("export-protocol-of-file", f"export-assembly {TABLE} x.nc --protocol report", "is a file"),
    case("audit-over-table", f"{AUDIT} --out out --force", INPUT, responses("out/units.csv"), intact=("out/*",)),
    case("audit-over-labels", "audit table t.csv --label out/blocks.csv --out out --force", INPUT,
         responses("t.csv"), responses("out/blocks.csv"), intact=("out/*", "t.csv")),
    case("audit-over-linked-table", "audit table t.csv --label label --out out --force", INPUT, responses("t.csv"),
         folder_at("out"), link("out/summary.json", "t.csv"), intact=("t.csv",)),
    case("audit-over-other", "audit table t.csv --label label --out out", THERE, responses("t.csv"),
         write("out/fill.csv", "mine"), intact=("out/*",)),
    case("audit-into-file", "audit table t.csv --label label --out params.yaml --force", "is a file; give a folder",
         responses("t.csv"), intact=("params.yaml",)),
    case("explain-over-image", f"{IMAGE} --out . --force", INPUT, picture, link("face_lime.png", "face.png"),
         intact=("face.png",)),
    case("explain-over-other", IMAGE, THERE, picture, write("explained/face.json", "1"), intact=("explained/*",)),
    case("explain-into-file", f"{IMAGE} --out params.yaml", "is a file; give a folder", picture),
    case("explain-out-unasked", "explain --out x", "are for one image", intact=("results/explain/*",)),
    case("audit-two-units", "audit table t.csv --label label --block block --out out", "3 or more units that vary",
         responses("t.csv", 2), intact=("t.csv",)),
    case("repeatability-over-main", f"repeatability {MAIN} {RASTERS} --annotations {DB} --out {MAIN} --force",
         r"ends in \.json"),
    case("repeatability-over-link", f"repeatability {MAIN} {RASTERS} --annotations {DB} --out x.json --force", INPUT,
         link("x.json", MAIN)),
    case("repeatability-over-other", f"repeatability {MAIN} {RASTERS} --annotations {DB} --out x.json", THERE,
         write("x.json", "mine"), intact=("x.json",)),
    case("predict-over-image", "predict hmo_report --image face.png --out face.png --force", r"ends in \.csv", picture,
         intact=("face.png",)),
    case("predict-over-link", "predict hmo_report --image face.png --out x.csv --force", INPUT, picture,
         link("x.csv", "face.png"), intact=("face.png",)),
    case("predict-over-other", "predict hmo_report --image face.png --out x.csv", THERE, picture,
         write("x.csv", "mine"), intact=("x.csv",)),
    case("check-over-parameters", "check --out params.yaml", "give a name without an ending", intact=("params.yaml",)),
    case("check-over-licence", "check --out LICENSE", THERE, write("LICENSE", "MIT"), intact=("LICENSE",)),
    case("crate-over-other", "crate", THERE, write("ro-crate-metadata.json", "{}"), intact=("ro-crate*",)),
    case("acquire-over-other-data", "acquire", "did not write", lambda folder: one(
        folder, "data/raw/manifest.json").unlink()),
]  # fmt: skip
