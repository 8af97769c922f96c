"""The stage ``seeds``: retrain one model from further seeds and score how well each predicts the areas."""

import hashlib
from typing import TYPE_CHECKING

import pandas as pd

from analysis.core import settings, store
from analysis.core.files import write_csv
from analysis.core.numerics import fixed_threads
from analysis.core.parallel import process_pool
from analysis.models.activations.read import untrained
from analysis.params import Params
from analysis.params.kinds import Category, FixedFeatures
from analysis.seeds import measures
from analysis.seeds.read import COLUMNS, FOLDER

if TYPE_CHECKING:
    from analysis.seeds.further import Experiment

PROTOCOL = "corrected"


def run(params: Params, model: str) -> None:
    """Write ``results/seeds/<model>.csv``: the scores of the main model (seed 0) and of the further ones.

    Further seeds run in parallel, one thread each, on the same images, splits, responses and folds. The store keeps
    unfinished work; no weights are kept. A model without random weights, or under the report's protocol, has only
    seed 0; a model that could not be trained has no rows.

    Raises
    ------
    DataError
        If the main model was not trained or compared, the stage ``neural`` has not run, or a training fails.
    """
    by_seed = [measures.read_main(model)]
    n, entry = params.seeds.further, params.models.entry(model)
    if n and entry.protocol == PROTOCOL and not isinstance(entry, FixedFeatures | Category) and not untrained(model):
        by_seed += _further_seeds(params, model, n)
    rows = [{"model": model, "seed": seed} | row for seed, found in enumerate(by_seed) for row in found]
    write_csv(FOLDER / f"{model}.csv", pd.DataFrame(rows, columns=COLUMNS).astype({"value": float}))


def _further_seeds(params: Params, model: str, n: int) -> list[list[dict]]:
    """Return the rows of `n` further seeds."""
    from analysis.seeds import further  # imports torch, which takes longer than the stage of a model with one seed

    with fixed_threads():  # which limits only loaded libraries
        common = (params, model, settings.device())
        shared, workers = further.Experiment(*common), min(settings.workers(), n)
        with (
            store.work_folder("seeds", _key(shared)) as folder,
            process_pool(further.Experiment, *common, workers=workers) as run_all,
        ):
            return list(run_all(further.score_seed, [(number, str(folder)) for number in range(1, n + 1)]))


def _key(shared: "Experiment") -> dict:
    """Return everything that determines the rows of a further seed, except its number."""
    responses = hashlib.sha256()
    for one in shared.measured:
        population = one.population
        responses.update(repr((population.recording, population.region, population.units, population.images)).encode())
        responses.update(population.responses.tobytes() + one.ceiling.tobytes())
    return {
        "entry": shared.entry.model_dump(),
        "compare": {name: getattr(shared.params.compare, name) for name in COMPARED},
        "seed": shared.params.seed,
        "images": shared.examples.digest,
        "responses": responses.hexdigest(),
    } | store.origin()


COMPARED = ("fixed_components", "folds", "repeats", "splits")
"""Parameters of the group ``compare`` that determine the scores; the stage ``neural`` has chosen the images."""
