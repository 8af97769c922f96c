"""Stage ``recordings``: build the response tables of all recordings under one protocol, or of a single recording."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from analysis.core import cluster, paths
from analysis.core.errors import DataError
from analysis.core.files import copy, sha256, write_csv
from analysis.core.progress import track
from analysis.core.store import code_digest, work_folder
from analysis.params import Params
from analysis.params.protocol import PROTOCOLS, Protocol
from analysis.recordings import naming, netcdf
from analysis.recordings.annotations import Annotations, RecordingTables
from analysis.recordings.build import Processing, build_recording
from analysis.recordings.main_file import TEMPLATES, open_nwb, reading
from analysis.recordings.rasters import DATA, open_rasters
from analysis.recordings.rois import FOLDER as ROIS
from analysis.recordings.rois import Rois


def protocol_of(name: str) -> Protocol:
    """Return a protocol by name. Raises `DataError` if there is no such protocol."""
    if name not in PROTOCOLS:
        raise DataError(f"no protocol {name!r}; choose {' or '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def one_recording(main_file: Path, rasters: Path, annotations: Path, out: Path, protocol_name: str) -> None:
    """Write the table of responses of one recording to `out` (netCDF).

    `annotations` is the folder with the area, rig, latency and RF tables, or its parent if the folder is named ``db``.
    Raises `DataError`, and writes nothing, if a file is damaged, a table lacks the recording, or the protocol is
    unknown.
    """
    protocol = protocol_of(protocol_name)
    tables = Annotations(annotations)
    main_file = Path(main_file)
    _check_order(main_file, Path(rasters))
    naming.parse(main_file)
    siblings = naming.same_date([p for p in main_file.parent.glob("*_image.nwb") if naming.STEM.fullmatch(p.stem)])
    files = _files(main_file, Path(rasters), tables, siblings[main_file])
    # Window, permutations and seed are those of Xiao et al. 2024 (script 2d); the stage reads its own from params.yaml.
    write_recording(files, tables.of(files.name), tables.folder / ROIS, Processing(protocol), Path(out))


def _check_order(main: Path, rasters: Path) -> None:
    """Raise `DataError` if the two files are swapped, or if both are of the same kind."""
    kinds = []
    for path in (main, rasters):
        with open_nwb(path) as file, reading(path):
            kinds.append("rasters" if DATA in file else "main" if TEMPLATES in file else "unknown")
    if kinds == ["rasters", "main"]:
        raise DataError(f"{main} and {rasters} are swapped: give the main file (trials, fixations) first, then rasters")
    if kinds[0] == "rasters":
        raise DataError(f"{main} holds rasters: give the main file (trials, fixations; ..._image.nwb) first")
    if kinds[1] == "main":
        raise DataError(f"{rasters} is a main file: give the rasters (the same name without _image) second")


def write_recording(
    files: naming.Files, tables: RecordingTables, rois: Path, processing: Processing, out: Path
) -> None:
    """Build the table of one recording and write it to `out`; runs on a worker."""
    netcdf.write(build_recording(files, tables, Rois(rois), processing), out)


def run(params: Params, protocol_name: str) -> None:
    """Build data/recordings/<protocol>/ from all recordings in data/raw/dandiset.

    ``failures.csv`` lists the recordings that fail and why; the others are kept. The store keeps finished recordings
    until the stage succeeds, so that an interrupted run can resume.

    Raises
    ------
    DataError
        If more recordings fail than ``recordings.failures_allowed``.
    """
    protocol = protocol_of(protocol_name)
    annotations = Annotations(paths.ANNOTATIONS)
    main_files = naming.main_files(paths.DANDISET)
    values = params.recordings
    processing = Processing(protocol, values.window_ms, values.permutations, params.seed)
    with work_folder("recordings", _key(params, protocol, annotations)) as work:
        found, failures = _build_all(main_files, annotations, processing, work.resolve(), protocol_name)
        folder = paths.RECORDINGS / protocol_name
        for name, done in found.items():
            copy(done, folder / f"{name}.nc")
        _report(failures, len(main_files), values.failures_allowed, folder)


def _build_all(
    main_files: list[Path], annotations: Annotations, processing: Processing, work: Path, protocol_name: str
) -> tuple[dict[str, Path], dict[str, str]]:
    """Build the recordings that `work` lacks; return the files by recording, and reasons for failure by session."""
    rois = (annotations.folder / ROIS).resolve()
    found, failures, tasks = {}, {}, {}
    siblings = naming.same_date(main_files)
    for main in main_files:
        try:
            files = _files(main, naming.rasters_beside(main), annotations, siblings[main])
            tables = annotations.of(files.name)  # may fail, so before the recording counts as found
            found[files.name] = done = work / f"{files.name}-{_stamp(files)}.nc"
            if not done.exists():
                tasks[files.name] = (files, tables, rois, processing, done)
        except DataError as error:
            failures[_session(main)] = str(error)
    for name, reason in track(cluster.run_all(write_recording, tasks), f"recordings ({protocol_name})", len(tasks)):
        if reason is not None:
            failures[_session(tasks[name][0].main)] = reason
            del found[name]
    return found, failures


def _report(failures: dict[str, str], n_recordings: int, allowed: int, folder: Path) -> None:
    """Write failures.csv, and stop the stage if more recordings failed than allowed."""
    here = f"{Path.cwd()}/"  # outputs contain no absolute paths
    rows = [{"recording": name, "reason": reason.replace(here, "")} for name, reason in sorted(failures.items())]
    write_csv(folder / "failures.csv", pd.DataFrame(rows, columns=["recording", "reason"]))
    if len(rows) > allowed:
        raise DataError(
            f"{len(rows)} of {n_recordings} recordings failed (recordings.failures_allowed = {allowed};"
            f" the others are kept), first: {rows[0]['reason']}"
        )


def _session(main: Path) -> str:
    return main.name.removesuffix("_image.nwb")


def _key(params: Params, protocol: Protocol, annotations: Annotations) -> dict:
    """Return everything that determines the table of a recording, except its two files."""
    return {
        "protocol": asdict(protocol),
        "window_ms": params.recordings.window_ms,
        "permutations": params.recordings.permutations,
        "seed": params.seed,
        "annotations": {path.name: sha256(path) for path in annotations.files},
        "rois": _listing(annotations.folder / ROIS),
        "code": code_digest(),
    }


def _listing(folder: Path) -> str:
    """Return a hash of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def _stamp(files: naming.Files) -> str:
    """Return sizes and modification times of the two files, which reveal a replaced file."""
    return "-".join(f"{stat.st_size:x}{stat.st_mtime_ns:x}" for stat in (files.main.stat(), files.rasters.stat()))


def _files(main: Path, rasters: Path, annotations: Annotations, siblings: list[Path]) -> naming.Files:
    if not rasters.is_file():
        raise DataError(
            f"{rasters} not found: the rasters of {main.name} are missing; run the stage acquire, or download that file"
        )

    def fits(name: str) -> bool:
        with open_rasters(rasters) as opened:
            return set(opened.names) == annotations.unit_names(name)

    name = naming.name_of(main, annotations.names, siblings, fits)
    # Absolute, because a worker may run in another folder; unresolved, because links into DVC's cache hide the names.
    return naming.Files(name, naming.parse(main)[0], main.absolute(), rasters.absolute())
