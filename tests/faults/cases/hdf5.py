"""HDF5 files as laboratories have them: locked, forbidden, half copied, or something else."""

import fcntl
from collections.abc import Callable
from pathlib import Path

from tests.faults.case import Case, cut, mode, one, remove, together, write
from tests.faults.cases.outputs import DB, INTACT, MAIN, RASTERS, TABLE, picture

RECORDING = f"recording {MAIN} {RASTERS} --annotations {DB} --out x.nc"
STAGE = "recordings corrected"
HELD = []


def lock(path: str) -> Callable[[Path], None]:
    """Return the fault of a file that another process has open for writing, which HDF5 marks by a lock."""

    def apply(folder: Path) -> None:
        HELD.append(one(folder, path).open("rb"))
        fcntl.flock(HELD[-1], fcntl.LOCK_EX)

    return apply


def half_zeros(path: str) -> Callable[[Path], None]:
    """Return the fault of a file whose room is reserved and whose content has not arrived."""

    def apply(folder: Path) -> None:
        file = one(folder, path)
        file.write_bytes(bytes(file.stat().st_size))

    return apply


def case(name: str, command: str, says: str, *faults: Callable[[Path], None], **values) -> Case:
    """Return a case; a recording that cannot be read fails its stage by the number of failures allowed."""
    return Case(name, command, says, together(*faults), **{"intact": INTACT, "lines": 6} | values)


WRITTEN = "is open for writing in another process: close it there"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n"
CASES = [
    case("locked-main", RECORDING, rf"_image\.nwb {WRITTEN}", lock(MAIN)),
    case("locked-rasters", RECORDING, rf"112019\.nwb {WRITTEN}", lock(RASTERS)),
    case("locked-in-stage", STAGE, rf"1 of 6 recordings failed.*_image\.nwb {WRITTEN}", lock(MAIN)),
    case("locked-rasters-in-timing", "timing", rf"112019\.nwb {WRITTEN}", lock(RASTERS)),
    case("locked-table", f"inspect {TABLE}", WRITTEN, lock(TABLE)),
    case("locked-table-in-stage", "neural corrected", WRITTEN, lock(TABLE)),
    case("locked-predictions", "summary", WRITTEN, lock("results/compare/pixels/predictions.nc")),
    case("locked-but-read-without", f"$ python -m analysis inspect {TABLE}", "^$", lock(TABLE), status=0,
         env={"HDF5_USE_FILE_LOCKING": "FALSE"}),
    case("forbidden-main", RECORDING, "you have no permission", mode(MAIN, 0), unprivileged=True),
    case("forbidden-folder", RECORDING, "you have no permission", mode("data/raw/dandiset/sub-Mo", 0), intact=(),
         unprivileged=True),
    case("forbidden-table", f"inspect {TABLE}", "you have no permission", mode(TABLE, 0), unprivileged=True),
    *(
        case(f"forbidden-{name}", command, "cannot be read: you have no permission; ask its owner", mode(path, 0),
             *faults, unprivileged=True, intact=())
        for name, command, path, *faults in (
            ("weights", "activations pixels", "models/pixels/model.safetensors"),
            ("configuration", "activations pixels", "models/pixels/config.json"),
            ("images", "train pixels", "data/stimuli/images.npy"),
            ("activations", "compare pixels", "data/activations/pixels/pixels.npy"),
            ("result", "figures", "results/units.csv"),
            ("maps", "predict pixels --image face.png", "results/compare/pixels/encoders.safetensors", picture),
            ("archive", "stimuli", "data/raw/stimuli/Stimuli.zip"),
        )
    ),
    case("empty-main", RECORDING, r"_image\.nwb is empty", cut(MAIN, 0)),
    case("cut-main", RECORDING, r"_image\.nwb is truncated: 60 of \d+ bytes", cut(MAIN, 60)),
    case("cut-rasters", RECORDING, r"112019\.nwb is truncated: \d+ of \d+ bytes", cut(RASTERS)),
    case("cut-in-stage", STAGE, r"1 of 6 recordings failed.*truncated", cut(MAIN)),
    case("cut-table", f"export-assembly {TABLE} x.nc", "is truncated", cut(TABLE)),
    case("cut-table-in-stage", "neural corrected", "is truncated.*run the stage recordings", cut(TABLE)),
    case("cut-rasters-in-timing", "timing", r"112019\.nwb is truncated: \d+ of \d+ bytes", cut(RASTERS)),
    case("cut-predictions", "summary", "truncated.*run the stage compare", cut("results/compare/hmo/predictions.nc")),
    case("cut-rdms", "figures", "truncated.*run the stage compare", cut("results/compare/hmo_report/rdms.nc")),
    case("cut-gallery", "figures", "is truncated.*run the stage explain", cut("results/explain/gallery.nc")),
    case("cut-time-course", "figures", "incomplete.*run the stage timing", cut("results/timing/bins.csv")),
    case("half-copied", RECORDING, "begins with zeros: it is still being copied", half_zeros(RASTERS)),
    case("pointer-of-git", RECORDING, "is a git-lfs or git-annex pointer", write(MAIN, LFS)),
    case("web-page", RECORDING, "is a web page", write(MAIN, "<!DOCTYPE html><html>sign in</html>")),
    case("no-hdf5", f"inspect {TABLE}", "damaged or not a netCDF file", write(TABLE, "text")),
    case("no-main", RECORDING, r"_image\.nwb not found", remove(MAIN)),
    case("link-to-nothing", RECORDING, "is a broken link", remove(MAIN),
         lambda folder: (folder / MAIN).symlink_to("../../annex/x.nwb")),
    case("folder-for-file", RECORDING, "is a folder", remove(MAIN), lambda folder: (folder / MAIN).mkdir()),
]  # fmt: skip
