"""Write one recording as a pair of NWB files like those of the dandiset.

Tables, columns, dtypes and chunks are those of the published files (NWB 2.6.0). Two objects have fields that current
pynwb reads but refuses to create (`IndexSeries.indexed_timeseries`, an external `OpticalSeries` with a rate), so they
are created as pynwb's own reader creates them. Object ids are derived from names, so equal inputs give equal bytes.
"""

import uuid
import warnings
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from analysis.core.files import hdf5

WRONG_RATE = 0.001
"""The published files give the bin width in place of the rate (1000 Hz)."""
VIEWING_DISTANCE_M = 0.53
NAMESPACE = uuid.UUID("b0f0a5a2-7f5c-5d5c-9f37-6d1c6f4f0628")


@dataclass(frozen=True)
class Header:
    """Metadata in both files of a recording."""

    recording: str
    subject: str
    start: datetime
    dimension: tuple[int, int]
    """Width and height of the images in pixels."""
    ppd: tuple[float, float]
    """Pixels per degree of visual angle, horizontally and vertically."""
    locations: int

    @property
    def session(self) -> str:
        """Subject, date and time, in the form of the published identifiers."""
        return f"{self.subject}-{self.start:%y%m%d-%H%M%S}"

    @property
    def stem(self) -> str:
        """File name without extension, relative to the dandiset."""
        return f"sub-{self.subject}/sub-{self.subject}_ses-{self.start:%Y%m%dT%H%M%S}"

    @property
    def stimulus_notes(self) -> str:
        """Text that gives image size and pixels per degree."""
        width, height = self.dimension
        x, y = self.ppd
        return f"[{width}, {height}] pixels at [{x:g}, {y:g}] pix per degree; {self.locations} unique location(s)"


class _Factory:
    """Create pynwb objects as pynwb's reader does, with ids derived from their names."""

    def __init__(self, identifier: str):
        self.identifier = identifier

    def make(self, kind, key: str, **values):
        object_id = str(uuid.uuid5(NAMESPACE, f"{self.identifier}/{key}"))
        made = kind.__new__(kind, object_id=object_id, in_construct_mode=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the published files have deprecated fields
            made.__init__(**values)
        made._in_construct_mode = False
        return made

    def table(self, kind, key: str, name: str, description: str, ids: np.ndarray, columns: list):
        """Create a table from (name, description, values) triples."""
        from hdmf.common import ElementIdentifiers, VectorData

        made = [
            self.make(VectorData, f"{key}/{column}", name=column, description=about, data=values)
            for column, about, values in columns
        ]
        id_column = self.make(ElementIdentifiers, f"{key}/id", name="id", data=ids)
        names = [column for column, _, _ in columns]
        return self.make(kind, key, name=name, description=description, id=id_column, columns=made, colnames=names)


def _nwb_file(factory: _Factory, header: Header, description: str):
    from pynwb import NWBFile
    from pynwb.file import Subject

    file = factory.make(
        NWBFile,
        "root",
        session_description=description,
        identifier=factory.identifier,
        session_start_time=header.start,
        timestamps_reference_time=header.start,
        file_create_date=[header.start],
        experimenter=["Simulated"],
        institution="None (simulated data)",
        keywords=["macaque", "simulated", "free viewing", "ventral stream"],
        experiment_description="Free viewing",
        stimulus_notes=header.stimulus_notes,
    )
    file.subject = factory.make(
        Subject,
        "subject",
        subject_id=header.subject,
        sex="M",
        species="Macaca mulatta",
        age="P7Y",
        description=f"{header.subject} (simulated)",
    )
    return file


def _write(path: Path, file) -> None:
    from pynwb import NWBHDF5IO

    with hdf5.create(path) as opened:
        NWBHDF5IO(file=opened, mode="w").write(file)


def write_rasters(folder: Path, header: Header, units: list[str], counts: np.ndarray) -> Path:
    """Write ``sub-X_ses-T.nwb`` to the folder of the dandiset.

    `counts` (n_ms, n_units), uint8, are spike counts in bins of 1 ms; they are compressed with gzip, one chunk per
    unit.
    """
    from hdmf.backends.hdf5.h5_utils import H5DataIO
    from hdmf.common import DynamicTable
    from pynwb import ProcessingModule, TimeSeries

    factory = _Factory(f"{header.session}-rasters-rasters")
    file = _nwb_file(factory, header, f"rasters for session {header.session}")
    n_ms = len(counts)
    data = H5DataIO(counts, compression="gzip", compression_opts=6, chunks=(n_ms, 1), maxshape=(n_ms, None))
    rasters = factory.make(
        TimeSeries, "rasters", name="rasters", description="TODO", data=data, unit="count",
        starting_time=0.0, rate=WRONG_RATE,
    )  # fmt: skip
    names = factory.table(
        DynamicTable, "unit_names", "unit_names", "TODO", np.arange(len(units), dtype=np.int32),
        [("unit_name", "TODO", units)],
    )  # fmt: skip
    module = factory.make(
        ProcessingModule, "ecephys", name="ecephys", description="preprocessing results from plexon recording"
    )
    module.add(rasters)
    module.add(names)
    file.add_processing_module(module)
    path = folder / f"{header.stem}.nwb"
    _write(path, file)
    return path


def write_main(folder: Path, header: Header, images: list[str], gaze) -> Path:
    """Write ``sub-X_ses-T_image.nwb`` to the folder of the dandiset.

    `images` are the paths of the images, ``Stimuli/<md5>.<ext>``; `gaze` is an `analysis.simulate.gaze.Gaze`.
    """
    from pynwb import ProcessingModule
    from pynwb.epoch import TimeIntervals

    factory = _Factory(f"{header.session}-main")
    file = _nwb_file(factory, header, header.session)
    file.trials = factory.table(
        TimeIntervals, "trials", "trials", "MonkeyLogic trials", np.arange(len(gaze.trial_start)),
        [
            ("start_time", "trial start time in seconds", gaze.trial_start),
            ("stop_time", "trial stop time in seconds", gaze.trial_stop),
            ("error_code", "MonkeyLogic error code", gaze.trial_error.astype(np.float64)),
        ],
    )  # fmt: skip
    n = len(gaze.onset)
    file.add_time_intervals(
        factory.table(
            TimeIntervals, "presentations", "presentations", "stimulus presentation periods", np.arange(n),
            [
                ("start_time", "presentation start time in seconds", gaze.onset),
                ("stop_time", "presentation stop time in seconds", gaze.offset),
                ("trial_id", "id of containing trial", gaze.presentation_trial.astype(np.uint32)),
                ("order_in_trial", "ordinal of presentation in the containing trial", np.zeros(n, np.uint16)),
                ("position", "position of stimulus (center)", gaze.position),
                ("latency", "latency in ms from digital event time to photodiode flip", gaze.flip_latency),
            ],
        )
    )  # fmt: skip
    _add_images(factory, file, header, images, gaze)
    module = factory.make(
        ProcessingModule, "behavior", name="behavior", description="fixations and saccades detected with ClusterFix"
    )
    module.add(_events(factory, "fixations", "fixation", gaze.fixations, with_place=True))
    module.add(_events(factory, "saccades", "saccade", gaze.saccades, with_place=False))
    file.add_processing_module(module)
    path = folder / f"{header.stem}_image.nwb"
    _write(path, file)
    return path


def _add_images(factory: _Factory, file, header: Header, images: list[str], gaze) -> None:
    """Add the list of image paths, and the index of the image shown in each presentation."""
    from pynwb.image import IndexSeries, OpticalSeries

    half_angle = np.radians(np.divide(header.dimension, header.ppd) / 2)
    templates = factory.make(
        OpticalSeries,
        "stimuli",
        name="stimuli",
        description="unique stimuli that were presented",
        distance=VIEWING_DISTANCE_M,
        field_of_view=2 * VIEWING_DISTANCE_M * np.tan(half_angle),
        orientation="up is up; centered on position",
        data=np.zeros((0, 0, 0), np.uint8),
        unit="external",
        format="external",
        external_file=images,
        starting_frame=np.arange(len(images)),
        dimension=np.array(header.dimension, np.int64),
        starting_time=0.0,
        rate=1.0,
    )
    file.add_stimulus_template(templates)
    file.add_stimulus(
        factory.make(
            IndexSeries,
            "index",
            name="presentations",
            description="presentation times of unique stimuli",
            data=gaze.presentation_image.astype(np.uint64),
            unit="N/A",
            timestamps=gaze.onset,
            indexed_timeseries=templates,
        )
    )


def _events(factory: _Factory, name: str, word: str, events, *, with_place: bool):
    """Create the table of fixations or saccades; ids start at 1, as in the published files."""
    from pynwb.epoch import TimeIntervals

    columns = [
        ("start_time", "start time in sec", events.start),
        ("stop_time", "stop time in sec", events.stop),
        ("trial_id", "id of containing trial", events.trial.astype(np.uint32)),
        ("ord_in_trial", f"{word} ordinal in trial", events.ordinal.astype(np.uint16)),
    ]
    if with_place:
        columns += [
            ("x", "fixation x position in dva from screen center", events.x),
            ("y", "fixation y position in dva from screen center", events.y),
        ]
    ids = np.arange(1, len(events.start) + 1)
    return factory.table(TimeIntervals, name, name, f"detected {name}", ids, columns)
