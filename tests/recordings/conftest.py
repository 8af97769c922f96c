"""Small recordings in the published layout, written by hand so that a test can spoil one thing at a time."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest

STAMP = "2022-01-05T17:39:29.000000-05:00"


@dataclass
class Pair:
    """The content of a recording's two files; a test changes it before `write`."""

    name: str = "sub-An_ses-20220105T173929"
    trials: dict = field(
        default_factory=lambda: {
            "id": [10, 11, 12, 13],
            "start_time": [1.0, 3.0, 5.0, 7.0],
            "stop_time": [2.9, 4.9, 6.9, 8.9],
        }
    )
    presentations: dict = field(
        default_factory=lambda: {  # trial 11 was aborted: no presentation
            "trial_id": [10, 12, 13],
            "start_time": [1.2, 5.2, 7.2],
            "stop_time": [2.7, 6.7, 8.7],
            "position": [[0.0, 0.0], [1.0, -2.0], [0.0, 0.0]],
        }
    )
    shown: list = field(default_factory=lambda: [1, 0, 1])
    images: list = field(default_factory=lambda: ["Stimuli/aa.png", "Stimuli/bb.jpg"])
    size: list = field(default_factory=lambda: [100, 50])
    stimulus: str = "[100, 50] pixels at [10.0, 10.0] pix per degree; 1 unique location(s)"
    fixations: dict = field(
        default_factory=lambda: {
            "trial_id": [10, 10, 10, 11, 12, 12, 13, 13],
            "ord_in_trial": [0, 1, 2, 0, 0, 1, 0, 1],
            "start_time": [1.1, 1.5, 2.1, 3.5, 5.5, 6.0, 7.1, 8.0],
            "stop_time": [1.45, 2.05, 2.6, 4.0, 5.95, 6.05, 7.9, 8.6],
            "x": [0.0, 1.0, 6.0, 0.0, 1.5, 0.0, 0.0, -1.0],
            "y": [0.0, 0.5, 0.0, 0.0, -2.0, 0.0, 2.0, 0.0],
        }
    )
    units: list = field(default_factory=lambda: ["1", "2a", "33"])
    n_bins: int = 10_000
    raster: np.ndarray | None = None
    start_time: str = STAMP

    def counts(self) -> np.ndarray:
        if self.raster is not None:
            return self.raster
        return np.random.default_rng(0).poisson(0.02, (self.n_bins, len(self.units))).astype(np.uint8)

    def write(self, folder: Path) -> tuple[Path, Path]:
        folder.mkdir(parents=True, exist_ok=True)
        main, rasters = folder / f"{self.name}_image.nwb", folder / f"{self.name}.nwb"
        with h5py.File(main, "w") as file:
            for table, columns in (
                ("intervals/trials", self.trials),
                ("intervals/presentations", self.presentations),
                ("processing/behavior/fixations", self.fixations),
            ):
                for column, values in columns.items():
                    file[f"{table}/{column}"] = np.asarray(values)
            file["stimulus/presentation/presentations/data"] = np.asarray(self.shown, np.uint64)
            file["stimulus/templates/stimuli/external_file"] = np.array(self.images, object)
            file["stimulus/templates/stimuli/dimension"] = np.asarray(self.size)
            file["general/stimulus"] = self.stimulus
            file["session_start_time"] = STAMP
        with h5py.File(rasters, "w") as file:
            counts = self.counts()
            data = file.create_dataset(
                "processing/ecephys/rasters/data", data=counts, chunks=(max(len(counts), 1), 1), compression="gzip"
            )
            data.attrs["unit"] = "count"
            start = file.create_dataset("processing/ecephys/rasters/starting_time", data=0.0)
            start.attrs["rate"] = 0.001
            file["processing/ecephys/unit_names/unit_name"] = np.array(self.units, object)
            file["session_start_time"] = self.start_time
        return main, rasters


def write_annotations(folder: Path, names: tuple[str, ...] = ("An220105",)) -> Path:
    db = folder / "db"
    db.mkdir(parents=True, exist_ok=True)
    rows = [f"{name},{bank},1,L,{area}" for name in names for bank, area in ((0, "AIT"), (1, "V1"))]
    (db / "bank_array_regions.csv").write_text("\n".join(["Session,Bank,Array ID,Hemisphere,Region", *rows]) + "\n")
    rows = [f"{name},1600 x 1200,SR Research EyeLink,x,2" for name in names]
    (db / "sess_rig_info.csv").write_text("\n".join(["Name,Screen res,Eye tracker,MLVersion,Rig", *rows]) + "\n")
    (db / "rig_eye_latency.csv").write_text("Rig,Tracker,Latency\n2,None,46\n2,EyeLink,50\n")
    rows = [f"{name},{unit},{ms},1,Unit" for name in names for unit, ms in (("1", 20), ("2a", 75))]
    with gzip.open(db / "per_unit_latency-fix_on.csv.gz", "wt") as file:
        file.write("\n".join(["Session,Name,Latency,Boots. stdev.,Source", *rows]) + "\n")
    with gzip.open(db / "per_unit_rf.csv.gz", "wt") as file:
        file.write("\n".join(["Session,Name,x,y,r,Source", *(f"{name},1,0.5,-1,2,Unit" for name in names)]) + "\n")
    return folder


@pytest.fixture
def pair() -> Pair:
    return Pair()


@pytest.fixture
def annotations(tmp_path) -> Path:
    return write_annotations(tmp_path / "annotations")


@pytest.fixture
def annotations_for(tmp_path):
    return lambda *names: write_annotations(tmp_path / "annotations", names)
