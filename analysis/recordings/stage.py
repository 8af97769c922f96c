"""Stage ``recordings``: every recording under one protocol, and one recording given by hand."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from analysis import paths
from analysis.errors import DataError
from analysis.files import atomic, sha256, write_csv
from analysis.params import Params
from analysis.protocol import PROTOCOLS, Protocol
from analysis.recordings import naming, netcdf
from analysis.recordings.build import build
from analysis.recordings.tables import Annotations
from analysis.runtime import track
from analysis.store import code_digest, discard, work_folder

WINDOW_MS = 200
"""Response window of a recording given by hand (Xiao et al. 2024, script 2d); the stage takes it from params.yaml."""


def protocol_of(name: str) -> Protocol:
    """Return a protocol by name.

    Raises
    ------
    DataError
        If there is none of that name.
    """
    if name not in PROTOCOLS:
        raise DataError(f"no protocol {name!r}; choose {' or '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def one_recording(main_file: Path, rasters: Path, annotations: Path, out: Path, protocol_name: str) -> None:
    """Turn one recording into a table of responses at `out`.

    Parameters
    ----------
    main_file, rasters : Path
        The two NWB files of the recording, under their published names.
    annotations : Path
        Folder with the area, rig, latency and RF tables (or the folder that holds it as ``db``).
    out : Path
        netCDF file to write.
    protocol_name : str
        ``corrected`` or ``report``.

    Raises
    ------
    DataError
        If a file is damaged, a table lacks the recording, or the protocol is unknown; nothing is written then.
    """
    protocol = protocol_of(protocol_name)
    tables = Annotations(annotations)
    main_file = Path(main_file)
    if not main_file.is_file():
        raise DataError(f"{main_file} not found")
    naming.parse(main_file)
    siblings = naming.same_date([p for p in main_file.parent.glob("*_image.nwb") if naming.STEM.fullmatch(p.stem)])
    name = naming.name_of(main_file, tables.names, siblings.get(main_file, [main_file]))
    files = naming.Files(name, naming.parse(main_file)[0], main_file, Path(rasters))
    netcdf.write(build(files, tables.of(name), protocol, WINDOW_MS), Path(out))


def run(params: Params, protocol_name: str) -> None:
    """Turn all recordings in data/raw/dandiset into data/recordings/<protocol>/.

    Recordings that fail are listed with their reason in ``failures.csv``; the others are kept. Finished recordings
    lie in the store until the stage succeeds, so that a run that was stopped continues where it was.

    Raises
    ------
    DataError
        If more recordings fail than ``recordings.failures_allowed``.
    """
    protocol = protocol_of(protocol_name)
    annotations = Annotations(paths.ANNOTATIONS)
    main_files = naming.main_files(paths.DANDISET)
    work = work_folder("recordings", _key(params, protocol, annotations))
    folder = paths.RECORDINGS / protocol_name
    siblings = naming.same_date(main_files)
    failures = []
    for main in track(main_files, f"recordings ({protocol_name})"):
        try:
            files = _files(main, annotations.names, siblings[main])
            done = work / f"{files.name}-{_stamp(files)}.nc"
            if not done.exists():
                netcdf.write(build(files, annotations.of(files.name), protocol, params.recordings.window_ms), done)
            _copy(done, folder / f"{files.name}.nc")
        except DataError as error:
            failures.append({"recording": main.name.removesuffix("_image.nwb"), "reason": str(error)})
    write_csv(folder / "failures.csv", pd.DataFrame(failures, columns=["recording", "reason"]))
    if len(failures) > params.recordings.failures_allowed:
        raise DataError(
            f"{len(failures)} of {len(main_files)} recordings failed (recordings.failures_allowed ="
            f" {params.recordings.failures_allowed}; the others are kept), first: {failures[0]['reason']}"
        )
    discard(work)


def _key(params: Params, protocol: Protocol, annotations: Annotations) -> dict:
    """Return all that decides a recording's table, but for its own two files."""
    return {
        "protocol": asdict(protocol),
        "window_ms": params.recordings.window_ms,
        "seed": params.seed,
        "annotations": {path.name: sha256(path) for path in annotations.files},
        "code": code_digest(Path(__file__).parent),
    }


def _stamp(files: naming.Files) -> str:
    """Return a mark of the two files as they are now (size and time of change), to tell a replaced one."""
    return "-".join(f"{stat.st_size:x}{stat.st_mtime_ns:x}" for stat in (files.main.stat(), files.rasters.stat()))


def _files(main: Path, names: list[str], siblings: list[Path]) -> naming.Files:
    rasters = naming.rasters_beside(main)
    if not rasters.is_file():
        raise DataError(f"{rasters} not found: the rasters of {main.name} are missing; fetch them")
    return naming.Files(naming.name_of(main, names, siblings), naming.parse(main)[0], main, rasters)


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as part:
        shutil.copyfile(source, part)
