"""Memory of the stage ``recordings`` as the number of recordings grows, on local workers.

    python -m benchmarks.scale [FOLDER]          # writes benchmarks/scale.json and prints the table

Copies of the real recording An220105 (35 units, 56 min), in data/raw or in another folder, stand in for an archive.
Every process of the run is polled ten times a second; we report the peak resident memory (VmHWM) of the largest worker
and of the driver.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from analysis.core import paths
from analysis.recordings.naming import parse
from benchmarks.recordings import rasters_in
from benchmarks.sizes import keep, size

ROOT = Path(__file__).resolve().parents[1]
NUMBERS = size((8, 16, 32), (4,))
WORKERS = 2


def lay_out(raw: Path, folder: Path, n: int) -> None:
    """Write a project with n copies of the recording, one per day."""
    rasters = rasters_in(raw)
    subject, date, time_of_day = parse(rasters)
    db = folder / "data/raw/annotations/db"
    db.mkdir(parents=True)
    days = [f"22{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)][:n]
    for name, column in (
        ("bank_array_regions.csv", "Session"),
        ("sess_rig_info.csv", "Name"),
        ("per_unit_latency-fix_on.csv.gz", "Session"),
        ("per_unit_rf.csv.gz", "Session"),
    ):
        table = pd.read_csv(raw / "annotations/db" / name, dtype=str, keep_default_na=False)
        rows = table[table[column] == subject + date]
        pd.concat([rows.assign(**{column: subject + day}) for day in days]).to_csv(db / name, index=False)
    (db / "rig_eye_latency.csv").write_bytes((raw / "annotations/db/rig_eye_latency.csv").read_bytes())
    target = folder / f"data/raw/dandiset/sub-{subject}"
    target.mkdir(parents=True)
    for day in days:
        for ending in ("", "_image"):
            source = rasters.with_stem(rasters.stem + ending).resolve()
            (target / f"sub-{subject}_ses-20{day}T{time_of_day}{ending}.nwb").symlink_to(source)
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())


def peaks(process: subprocess.Popen) -> dict[int, int]:
    """Return the peak resident memory (KiB) of each process of a run, by process id."""
    highest: dict[int, int] = {}
    while process.poll() is None:
        for pid in family(process.pid):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmHWM"):
                    highest[pid] = max(highest.get(pid, 0), int(line.split()[1]))
        time.sleep(0.1)
    return highest


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def main(raw: Path) -> None:
    """Measure, print and write benchmarks/scale.json."""
    rows = []
    for n in NUMBERS:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(raw, Path(folder), n)
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "NNN_WORKERS": str(WORKERS),
                "NNN_STORE": str(Path(folder) / "store"),
            }
            command = [
                sys.executable,
                "-c",
                "import analysis.core.cluster as c; c.MAX_IN_PROCESS = 0; from analysis.__main__ import main; main()",
            ]
            start = time.monotonic()
            process = subprocess.Popen([*command, "recordings", "corrected"], cwd=folder, env=environment)
            highest = peaks(process)
            if process.returncode:
                raise SystemExit(f"the run of {n} recordings failed")
        driver = highest.pop(process.pid)
        rows.append(
            {
                "recordings": n,
                "workers": WORKERS,
                "largest_worker_mb": round(max(highest.values()) / 1024, 1),
                "driver_mb": round(driver / 1024, 1),
                "seconds": round(time.monotonic() - start, 1),
            }
        )
        print(rows[-1], flush=True)
    keep("scale", rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else paths.RAW)
