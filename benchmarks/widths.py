"""How the interval of the main contrast narrows with more recordings. Writes widths.json.

Run from the root of a project whose default pipeline has finished:

    python -m benchmarks.widths

The contrast is HMO minus pixels in AIT: the difference between medians of noise-corrected r, each model with the layer
chosen within the training images. For each number of recordings, subsets of the default's recordings are drawn; the
width of the 95 % interval (for other images and units of the same recordings) is averaged over them. The responses are
those of the default; nothing is simulated again.
"""

import numpy as np
import pandas as pd

from analysis import params
from analysis.compare import predictions
from analysis.compare.by_area import by_row
from analysis.compare.read import CHOSEN
from analysis.core import numerics
from analysis.core.seeds import seed_of
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.params.protocol import CORRECTED
from analysis.statistics.inference import Predictions, contrast, predictivity_draws
from analysis.stimuli.read import read_table
from analysis.summary.contrasts import as_predictions
from benchmarks.sizes import keep, size

MODELS, AREA = ("hmo", "pixels"), "AIT"
SUBSETS = size(10, 1)


def predictions_by_recording(values: params.Params, area: str) -> dict[str, dict[str, Predictions]]:
    """Return, by model, the predictions of the units of an area in each recording."""
    measured = {m.population.recording: m for m in neural.read_populations("corrected") if m.population.region == area}
    groups = read_table().set_index("stem")["group"]
    return {
        model: {
            one.recording: as_predictions(one, CHOSEN, measured[one.recording], groups, corrected=True)
            for one in predictions.read(model)
            if one.region == area
        }
        for model in MODELS
    }


def width(found: dict[str, dict[str, Predictions]], recordings: list[str], draws: int, seed: int) -> float:
    """Return the width of the interval of the contrast over some recordings; NaN if undefined."""
    aggregate = by_row(scoring.AGGREGATION[CORRECTED.aggregation])
    one, other = (
        predictivity_draws([found[model][name] for name in recordings], "r", aggregate, n_draws=draws, seed=seed)
        for model in MODELS
    )
    ends = contrast(one, other)
    return ends.high - ends.low


def measure() -> pd.DataFrame:
    """Return, by number of recordings, the mean number of units and the mean and range of the width."""
    values = params.load()
    found = predictions_by_recording(values, AREA)
    names = sorted(set.intersection(*(set(one) for one in found.values())))
    rows = []
    for n in sorted({1, 2, 3, 4, 6, 8, len(names)} & set(range(1, len(names) + 1))):
        rng = np.random.default_rng(seed_of(values.seed, "widths", str(n)))
        subsets = [names] if n == len(names) else [list(rng.permutation(names)[:n]) for _ in range(SUBSETS)]
        widths = [width(found, one, values.compare.bootstrap, values.seed) for one in subsets]
        widths = [one for one in widths if np.isfinite(one)]
        units = np.mean([sum(found[MODELS[0]][name].observed.shape[1] for name in one) for one in subsets])
        if widths:
            rows.append((n, units, len(widths), np.mean(widths), np.min(widths), np.max(widths)))
    return pd.DataFrame(rows, columns=["recordings", "units", "subsets", "width", "least", "most"])


def main() -> None:
    """Measure, print and write the widths."""
    table = measure()
    print(table.round(3).to_string(index=False))
    keep("widths", table.round(4).to_dict("records"))


if __name__ == "__main__":
    numerics.restart()
    main()
