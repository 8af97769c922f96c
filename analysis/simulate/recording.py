"""Simulate one recording (gaze, units, spikes); write its pair of NWB files and its truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.core.files import hdf5
from analysis.core.seeds import seed_of
from analysis.params import Simulate
from analysis.simulate.gaze import ZEROTH_SD_DVA, Gaze, look, simulate_gaze
from analysis.simulate.nwb_writer import write_main, write_rasters
from analysis.simulate.responses.neurons import ADAPTATION, GREY_SHARE, Drive, Unit, draw_units
from analysis.simulate.responses.variability import draw_gains, showings
from analysis.simulate.scenes import Scene
from analysis.simulate.sessions import Session

WINDOW_MS = 200
LOOKS = 400
"""Gaze positions per image in the Monte Carlo estimate of the mean rate."""
REFERENCE_LOOKS = 12


@dataclass(frozen=True)
class Task:
    """The inputs of one recording."""

    session: Session
    scenes: list[Scene]
    """Scenes of the images shown, in the order of the file."""
    paths: list[str]
    """Paths of the images, ``Stimuli/<md5>.<ext>``."""
    maps: dict[str, np.ndarray]
    """Features of the images shown by kind, shape (images, channels, rows, columns)."""
    reference_scenes: list[Scene]
    reference_maps: dict[str, np.ndarray]
    """Features of a sample of all images of the same size, used to standardise drives."""
    params: Simulate
    seed: int
    folder: Path


@dataclass(frozen=True)
class ImageFixations:
    """Fixations during an image, in file order, on the clock of the presentations."""

    row: np.ndarray
    """Row in the table of fixations."""
    image: np.ndarray
    presentation: np.ndarray
    ordinal: np.ndarray
    """0 for the fixation that spans image onset, later ones counted from 1."""
    start_ms: np.ndarray
    """Not before image onset."""
    place: np.ndarray
    """Shape (n, 2), dva from the centre of the image, y up."""
    inside: np.ndarray
    """Whether gaze is on the image."""


def run_recording(task: Task) -> list[Unit]:
    """Simulate and write one recording; return its units."""
    session, seed = task.session, task.seed
    rng = np.random.default_rng(seed_of(seed, "gaze", session.name))
    gaze = simulate_gaze(session, task.scenes, showings(task.params, len(task.scenes), seed, session.name), rng)
    units = draw_units(
        session,
        task.params.units_per_recording,
        task.params,
        np.random.default_rng(seed_of(seed, "units", session.name)),
    )
    seen = find_image_fixations(gaze, session)
    looks = _looks(task, seen)
    reference = _reference_looks(task)
    counts = np.zeros((gaze.n_ms, len(units)), np.uint8, order="F")
    true_rate = np.empty((len(gaze.fixations.start), len(units)))
    image_mean = np.empty((len(task.scenes), len(units)))
    starts = window_starts(gaze, session, seen)
    image, place, adaptation = looks
    gains = draw_gains(task.params.noise, len(gaze.onset), [u.name for u in units], seed_of(seed, "gain", session.name))
    for i, unit in enumerate(units):
        drive = Drive(unit, session, task.maps, task.scenes)
        drive.standardise(Drive(unit, session, task.reference_maps, task.reference_scenes), *reference)
        edges, rates = timeline(unit, drive, gaze, seen)
        spikes = np.random.default_rng(seed_of(seed, "spikes", session.name, unit.name))
        noisy = rates if gains is None else timeline(unit, drive, gaze, seen, gains[:, i])[1]
        counts[:, i] = draw_spikes(edges, noisy, spikes)
        true_rate[:, i] = window_means(edges, rates, starts + unit.used_latency_ms)
        total = np.bincount(image, adaptation * drive.rate(image, place), len(task.scenes))
        image_mean[:, i] = total / np.bincount(image, None, len(task.scenes))
    write_rasters(task.folder / "dandiset", session.header, [u.name for u in units], counts)
    write_main(task.folder / "dandiset", session.header, task.paths, gaze)
    _write_truth(task, units, true_rate, image_mean)
    return units


def find_image_fixations(gaze: Gaze, session: Session) -> ImageFixations:
    """Find the fixations during an image, corrected for the latency of the tracker."""
    fixations = gaze.fixations
    lag = session.tracker_latency_ms / 1000
    start, stop = np.round(fixations.start - lag, 6), np.round(fixations.stop - lag, 6)
    of_trial = np.full(len(gaze.trial_start), -1)
    of_trial[gaze.presentation_trial] = np.arange(len(gaze.onset))
    presentation = of_trial[fixations.trial]
    onset, offset = gaze.onset[presentation], gaze.offset[presentation]
    row = np.flatnonzero((presentation >= 0) & (stop > onset) & (start <= offset))
    presentation, onset = presentation[row], onset[row]
    first = np.r_[True, np.diff(presentation) > 0]
    zeroth = start[row] <= onset
    count = np.arange(len(row)) - np.maximum.accumulate(np.where(first, np.arange(len(row)), 0))
    has_zeroth = zeroth[np.flatnonzero(first)][np.cumsum(first) - 1]
    place = np.stack([fixations.x[row], fixations.y[row]], 1) - gaze.position[presentation]
    return ImageFixations(
        row=row,
        image=gaze.presentation_image[presentation],
        presentation=presentation,
        ordinal=count + ~has_zeroth,
        start_ms=np.maximum(start[row], onset) * 1000,
        place=place,
        inside=(np.abs(place) < session.size_dva / 2).all(axis=1),
    )


def timeline(
    unit: Unit, drive: Drive, gaze: Gaze, seen: ImageFixations, gain: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit's rate over the recording as a step function: edges (n + 1,) in ms and rates (n,) in spikes/s.

    The response to a fixation starts one latency after the onset of the fixation (or of the image, if later). It lasts
    until the next response starts, or until one latency after image offset. `gain` (n_presentations,) multiplies the
    response during each presentation.
    """
    grey = unit.mean_rate * GREY_SHARE
    adapted = ADAPTATION[np.minimum(seen.ordinal, len(ADAPTATION) - 1)]
    begin = np.rint(seen.start_ms + unit.latency_ms)
    end = np.rint(gaze.offset * 1000 + unit.latency_ms)
    edges = np.concatenate([begin, end])
    response = drive.rate(seen.image, seen.place) * adapted
    if gain is not None:
        response = response * gain[seen.presentation]
    rates = np.concatenate([response, np.full(len(end), grey)])
    order = np.argsort(edges, kind="stable")
    edges = np.r_[0, np.clip(edges[order], 0, gaze.n_ms).astype(int), gaze.n_ms]
    rates = np.r_[grey, rates[order]]
    half = gaze.n_ms // 2
    at = np.searchsorted(edges, half)
    edges, rates = np.insert(edges, at, half), np.insert(rates, at, rates[at - 1])
    return edges, np.where(edges[:-1] >= half, rates * unit.second_half, rates)


def draw_spikes(edges: np.ndarray, rates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw Poisson counts in bins of 1 ms, shape (edges[-1],), uint8: spikes are uniform within each step."""
    length = np.diff(edges)
    number = rng.poisson(rates * length / 1000)
    place = np.repeat(edges[:-1], number) + np.floor(rng.random(number.sum()) * np.repeat(length, number)).astype(int)
    return np.minimum(np.bincount(place, minlength=edges[-1]), 255).astype(np.uint8)


def window_starts(gaze: Gaze, session: Session, seen: ImageFixations) -> np.ndarray:
    """Return, for each fixation of the file, the start (ms) of its response window, excluding the unit's latency."""
    starts = np.round(gaze.fixations.start - session.tracker_latency_ms / 1000, 6) * 1000
    starts[seen.row] = seen.start_ms
    return starts


def window_means(edges: np.ndarray, rates: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return mean rates in windows of `WINDOW_MS` from rint(`starts`); the rate is 0 outside the recording."""
    total = np.r_[0.0, np.cumsum(rates * np.diff(edges))]
    first = np.rint(starts)
    return (np.interp(first + WINDOW_MS, edges, total) - np.interp(first, edges, total)) / WINDOW_MS


def _looks(task: Task, seen: ImageFixations) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `LOOKS` gaze positions on each image as in the recording; return image, position and adaptation factor."""
    session = task.session
    used = seen.inside
    zeroth_share = (seen.ordinal[used] == 0).mean()
    factor = ADAPTATION[np.minimum(seen.ordinal[used], len(ADAPTATION) - 1)]
    later = factor[seen.ordinal[used] > 0].mean()
    n_zeroth = round(zeroth_share * LOOKS)
    images, places = [], []
    for i, scene in enumerate(task.scenes):
        rng = np.random.default_rng(seed_of(task.seed, "looks", session.name, i))
        free = look(rng, scene, session, 3 * LOOKS)
        free = free[(np.abs(free) < session.size_dva / 2).all(axis=1)][: LOOKS - n_zeroth]
        places += [rng.normal(0, ZEROTH_SD_DVA, (n_zeroth, 2)), free]
        images.append(np.full(n_zeroth + len(free), i))
    weight = [np.r_[np.full(n_zeroth, ADAPTATION[0]), np.full(len(i) - n_zeroth, later)] for i in images]
    return np.concatenate(images), np.concatenate(places), np.concatenate(weight)


def _reference_looks(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Draw the images and gaze positions used to standardise drives."""
    rng = np.random.default_rng(seed_of(task.seed, "reference", task.session.name))
    places = [look(rng, scene, task.session, REFERENCE_LOOKS) for scene in task.reference_scenes]
    return np.repeat(np.arange(len(task.reference_scenes)), REFERENCE_LOOKS), np.concatenate(places)


def _write_truth(task: Task, units: list[Unit], true_rate: np.ndarray, image_mean: np.ndarray) -> None:
    """Write ``truth/<recording>.nc``."""
    import xarray as xr

    stems = [Path(p).stem for p in task.paths]
    regions = [u.region for u in units]
    data = xr.Dataset(
        {
            "noise_free_rate": (("fixation", "unit"), true_rate, {"units": "spikes/s"}),
            "image_mean": (("image", "unit"), image_mean, {"units": "spikes/s"}),
        },
        coords={
            "unit": [u.name for u in units],
            "region": ("unit", regions),
            "latency_ms": ("unit", [u.used_latency_ms for u in units]),
            "second_half": ("unit", [u.second_half for u in units]),
            "image": stems,
        },
        attrs={"recording": task.session.name, "subject": task.session.subject, "window_ms": WINDOW_MS},
    )
    hdf5.write_dataset(data, task.folder / "truth" / f"{task.session.name}.nc")
