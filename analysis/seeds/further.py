"""Retrain a model from another seed and score it. Each seed runs in its own process."""

import json
import shutil
from pathlib import Path

import numpy as np

from analysis.core import store
from analysis.core.files import write_text
from analysis.core.reading import read_json
from analysis.core.seeds import seed_of
from analysis.models import data, registry
from analysis.models.activations import extract
from analysis.models.train import scoring as decisions
from analysis.neural import read as neural
from analysis.neural import scoring
from analysis.neural.populations import Population
from analysis.params import Params
from analysis.seeds import measures


class Experiment:
    """What all seeds of a model share: parameters, images and recorded populations."""

    def __init__(self, params: Params, model: str, device: str):
        self.params, self.model, self.device = params, model, device
        self.entry = params.models.entry(model)
        self.kind = registry.kind(self.entry.kind)
        self.examples = data.load(self.entry.rules)
        protocol = self.entry.protocol
        self.measured = list(neural.read_populations(protocol))
        self.images = neural.Images(self.examples.table, neural.read_levels(protocol))

    def job(self, number: int, folder: Path) -> registry.Job:
        """Return the training job for a further seed; the images and their splits do not depend on the seed."""
        seed = seed_of(self.params.seed, "further", number)
        # As in the stage train, so that the untrained twin finds what the search of the trained model has chosen.
        origin = {"seed": seed, "images": self.examples.digest} | store.origin()
        return registry.Job(self.model, self.entry, self.examples, seed, self.device, folder, lambda *_: None, origin)


def score_seed(shared: Experiment, number: int, folder: str) -> list[dict]:
    """Return the rows of one further seed (1, 2, ...).

    `folder` keeps unfinished work until the rows are computed, and then the rows.
    """
    kept, work = Path(folder) / f"{number}.json", Path(folder) / str(number)
    if kept.exists():
        return read_json(kept, "remove it, and run again", list)
    work.mkdir(parents=True, exist_ok=True)
    rows = _score(shared, shared.job(number, work))
    write_text(kept, json.dumps(rows))
    shutil.rmtree(work)
    return rows


def _score(shared: Experiment, job: registry.Job) -> list[dict]:
    params, entry = shared.params, shared.entry
    fitted = shared.kind.fit(job)
    network, x = fitted.network.to(job.device), shared.kind.inputs(job.examples, fitted.architecture)
    accuracy = decisions.accuracy(decisions.classify(network, x, job.examples, job.device))["test"]["accuracy"]
    # Random projections are part of the measurement, so they are those of the main model.
    reduction, batch = extract.Reduction.of(entry, params.seed), network.at_once or extract.BATCH
    folder = job.folder / "activations"
    folder.mkdir(exist_ok=True)
    layers = [one["name"] for one in extract.extract(network, x, reduction, folder, batch, job.device)]
    activity = {layer: np.load(folder / f"{layer}.npy") for layer in layers}
    stems = shared.examples.table["stem"].tolist()

    def features_of(population: Population) -> dict[str, np.ndarray]:
        rows = scoring.rows_of(population, stems)
        return {layer: np.asarray(values[rows], np.float64) for layer, values in activity.items()}

    areas = measures.score_areas(shared.measured, features_of, shared.images, entry.rules, params.compare, params.seed)
    return [measures.accuracy_row(accuracy), *areas]
