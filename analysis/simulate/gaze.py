"""Free viewing: trials, presentations, fixations and saccades of one recording, as a lab would record them.

There are two clocks: presentation times come from the photodiode, while fixation times lag by the latency of the eye
tracker. Fixations are drawn in true time and shifted when they are recorded.
"""

from dataclasses import dataclass

import numpy as np

from analysis.simulate.scenes import Scene
from analysis.simulate.sessions import Session

PRESENTATION_S = 1.5
ABORTED_SHARE = 0.25
CUT_SHORT_SHARE = 0.015
"""Share of presentations that end early because the monkey makes an error."""
OFF_SCREEN_SHARE, BLINK_SHARE, SHORT_SHARE = 0.05, 0.03, 0.06
ZEROTH_SHARE = 0.9
"""Share of trials in which a fixation spans image onset."""
ZEROTH_SD_DVA = 0.4
LOOK_SHARE, LOOK_SD_DVA = 0.7, 1.1
"""Share and standard deviation of fixations on the main object of an image; the others have a central bias."""
CENTRE_SD = 0.2
"""Standard deviation of the central bias, as a share of the image size."""
TICK_S = 1 / 40_000
LOCATIONS_DVA = ((0.0, 0.0), (2.0, 1.0), (-2.0, 1.0), (0.0, -2.0))
TAIL_S = 0.4
"""Length of the raster after the last trial, less than the 500 ms that a selected fixation requires."""


@dataclass(frozen=True)
class Events:
    """Fixations or saccades: times in s as recorded, positions in dva from the screen centre (y up)."""

    start: np.ndarray
    stop: np.ndarray
    trial: np.ndarray
    ordinal: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Gaze:
    """The behavioural data in the main file. Times in s."""

    trial_start: np.ndarray
    trial_stop: np.ndarray
    trial_error: np.ndarray
    onset: np.ndarray
    offset: np.ndarray
    presentation_trial: np.ndarray
    presentation_image: np.ndarray
    position: np.ndarray
    flip_latency: np.ndarray
    fixations: Events
    saccades: Events
    n_ms: int
    """Length of the raster."""


def look(rng: np.random.Generator, scene: Scene, session: Session, n: int) -> np.ndarray:
    """Draw `n` fixation positions on an image, in dva from its centre, y up; shape (n, 2)."""
    width, height = scene.size
    target = np.array([scene.x - width / 2, height / 2 - scene.y]) / session.ppd
    on_target = rng.random(n) < LOOK_SHARE
    places = rng.standard_normal((n, 2))
    return np.where(on_target[:, None], target + LOOK_SD_DVA * places, CENTRE_SD * session.size_dva * places)


def _tick(seconds: float) -> float:
    return round(seconds / TICK_S) * TICK_S


class _Recorder:
    """Collects events trial by trial."""

    def __init__(self, session: Session, rng: np.random.Generator):
        self.session, self.rng = session, rng
        self.lag = session.tracker_latency_ms / 1000
        self.fixations: list[tuple] = []
        self.saccades: list[tuple] = []

    def trial(self, trial: int, start: float, stop: float, onset: float | None, offset: float, position, scene) -> None:
        """Add the fixations of one trial, in true time; `_record` shifts them."""
        rng, now, ordinal = self.rng, start - self.lag, 0
        while now < stop:
            on_image = onset is not None and onset - 0.01 < now < offset
            duration = self._duration()
            if onset is not None and now < onset:
                place = np.asarray(position) + rng.normal(0, ZEROTH_SD_DVA, 2)
                # Image onset falls into a fixation (the zeroth), or else into a saccade or blink.
                zeroth = rng.random() < ZEROTH_SHARE
                duration = onset - now + (rng.uniform(0.09, 0.3) if zeroth else -rng.uniform(0.005, 0.03))
            elif on_image:
                place = np.asarray(position) + look(rng, scene, self.session, 1)[0]
            else:
                place = rng.normal(0, 5, 2)
            place, duration = self._stray(place, duration, now, onset)
            self._record(trial, ordinal, now, now + duration, start, stop, place)
            now += duration
            pause = rng.uniform(0.025, 0.06)
            self.saccades.append((trial, ordinal, now + self.lag, min(now + self.lag + pause, stop)))
            now += pause
            ordinal += 1
        self.saccades = [s for s in self.saccades if s[0] != trial or s[2] < stop]

    def _duration(self) -> float:
        if self.rng.random() < SHORT_SHARE:
            return self.rng.uniform(0.026, 0.1)
        return float(np.clip(np.exp(self.rng.normal(np.log(0.3), 0.35)), 0.04, 1.2))

    def _stray(self, place, duration, now, onset):
        """Sometimes move gaze off the screen, or replace it with the tracker's output during a blink."""
        if onset is not None and now < onset:
            return place, duration
        kind = self.rng.random()
        if kind < OFF_SCREEN_SHARE:
            return self.rng.choice([-1, 1], 2) * self.rng.uniform((16, 10), (22, 15)), duration
        if kind < OFF_SCREEN_SHARE + BLINK_SHARE:
            return np.array([-19.0, -16.5]) + self.rng.normal(0, 0.3, 2), self.rng.uniform(0.026, 0.15)
        return place, duration

    def _record(self, trial, ordinal, begin, end, start, stop, place):
        """Add a fixation in tracker time, which is in whole milliseconds from the start of the trial."""
        first = start + round(max(0.0, begin + self.lag - start) * 1000) / 1000
        last = start + int(min(stop - start, end + self.lag - start) * 1000) / 1000
        if last > first:
            self.fixations.append((trial, ordinal, round(first, 6), round(last, 6), place[0], place[1]))


def simulate_gaze(session: Session, images: list[Scene], showings: np.ndarray, rng) -> Gaze:
    """Simulate the trials of a recording in which each image is shown `showings` times, in shuffled blocks."""
    blocks = [rng.permutation(len(images)) for _ in range(showings.max())]
    order = np.concatenate([block[showings[block] > number] for number, block in enumerate(blocks)])
    recorder = _Recorder(session, rng)
    trials, shown = [], []
    clock, done = 0.05, 0
    while done < len(order):
        start = _tick(clock)
        if done and rng.random() < ABORTED_SHARE:  # no fixation acquired: a trial without presentation
            stop = _tick(start + rng.uniform(0.23, 0.8))
            error = 4.0 if rng.random() < 0.02 else 3.0
            recorder.trial(len(trials), start, stop, None, 0.0, None, None)
        else:
            image, place = order[done], np.array(LOCATIONS_DVA[rng.integers(session.locations)])
            onset = round(start + rng.uniform(0.33, 0.42), 3)
            cut = done % 67 == 40 or rng.random() < CUT_SHORT_SHARE
            offset = round(onset + (rng.uniform(0.05, 1.2) if cut else PRESENTATION_S + rng.uniform(0.006, 0.046)), 3)
            stop, error = _tick(offset + rng.uniform(0.12, 0.2)), 3.0 if cut else 0.0
            recorder.trial(len(trials), start, stop, onset, offset, place, images[image])
            shown.append((onset, offset, len(trials), image, *place, rng.uniform(0.4, 15), rng.uniform(14, 42)))
            done += 1
        trials.append((start, stop, error))
        clock = stop + rng.uniform(0.1, 0.12)
    return _arrays(trials, shown, recorder, stop)


def _arrays(trials, shown, recorder, stop) -> Gaze:
    start, end, error = np.array(trials).T
    shown = np.array(shown)
    fixations, saccades = np.array(recorder.fixations), np.array(recorder.saccades)
    nothing = np.zeros(len(saccades))
    return Gaze(
        trial_start=np.round(start, 6),
        trial_stop=np.round(end, 6),
        trial_error=error,
        onset=shown[:, 0],
        offset=shown[:, 1],
        presentation_trial=shown[:, 2].astype(int),
        presentation_image=shown[:, 3].astype(int),
        position=shown[:, 4:6],
        flip_latency=np.round(shown[:, 6:8] / 0.025) * 0.025,
        fixations=Events(*fixations[:, 2:4].T, *fixations[:, :2].astype(int).T, *fixations[:, 4:].T),
        saccades=Events(*np.round(saccades[:, 2:], 6).T, *saccades[:, :2].astype(int).T, nothing, nothing),
        n_ms=int((stop + TAIL_S) * 1000),
    )
