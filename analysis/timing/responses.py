"""Mean responses of populations in time bins after fixation onset, and their reliability."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from analysis.neural import scoring
from analysis.neural.populations import FIXATIONS, IDENTITY, Population
from analysis.params.protocol import Protocol
from analysis.recordings.bins import binned_rates
from analysis.statistics.predictivity.fixations import PARTS


@dataclass(frozen=True)
class Course:
    """Responses of one population over time, after fixations of one kind.

    Attributes
    ----------
    population : Population
        With the mean responses to these fixations in the window of the stage ``recordings``; without presentations.
    part : {"zeroth", "later"}
        Fixations under way when the image appears, or those after a saccade (`PARTS`).
    rates : (n_bins, n_images, n_units)
        Mean rate in each bin, spikes/s.
    reliability : (n_bins, n_units)
        Reliability of these means, right on average (`ceilings.Reliability.value`); NaN where undefined.
    ceiling : (n_bins, n_units)
        The same, median-unbiased, for correcting r (`ceilings.Reliability.ceiling`).
    latency_ms : (n_units,)
        Response latency that the stage ``recordings`` used.
    """

    population: Population
    part: str
    rates: np.ndarray
    reliability: np.ndarray
    ceiling: np.ndarray
    latency_ms: np.ndarray


def courses(recording: xr.Dataset, rules: Protocol, allowed: set[str], edges_ms: Sequence[int]) -> Iterator[Course]:
    """Yield the time courses of a recording's populations, by part and area.

    Fixations and images are those of the comparison under the protocol `rules`; `allowed` holds the stems of the images
    that it compares.
    """
    bins = binned_rates(recording, edges_ms)
    usable = FIXATIONS[rules.fixations](recording) & np.isfinite(bins).all(axis=(0, 2))
    usable &= np.isfinite(recording["rate"].values).all(axis=1)
    latency = dict(zip(recording["unit"].values.astype(str), recording["latency_ms"].values, strict=True))
    for part, in_part in PARTS.items():
        rows = usable & in_part(recording["ordinal"].values)
        here = recording.isel(fixation=rows)
        by_bin = [
            list(_populations(here.assign(rate=(here["rate"].dims, rates[rows])), rules, allowed)) for rates in bins
        ]
        for whole, *each in zip(_populations(here, rules, allowed), *by_bin, strict=True):
            yield Course(
                replace(whole, presentations=None),
                part,
                np.stack([one.responses for one in each]),
                *np.stack([_reliability(one) for one in each], axis=1),
                np.array([latency[unit] for unit in whole.units]),
            )


def _reliability(population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Return reliability and ceiling of each unit, (n_units,) each; NaN where too few images were repeated."""
    found = scoring.unit_reliability(population)
    undefined = np.full(len(population.units), np.nan)
    return (undefined, undefined) if found is None else (found.value, found.ceiling)


def _populations(recording: xr.Dataset, rules: Protocol, allowed: set[str]) -> Iterator[Population]:
    return IDENTITY[rules.unit_identity](iter([recording]), rules, allowed)
