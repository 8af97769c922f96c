"""The ladder: every rung between the report's protocol and the corrected one, scored on the same recordings."""

import json
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
import xarray as xr

from analysis.audit import networks, responses
from analysis.audit.controls import shuffle
from analysis.audit.planted import Planted
from analysis.audit.rungs import Rung
from analysis.audit.tables import row_rdm
from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.parallel import Once, map_threads
from analysis.core.seeds import seed_of
from analysis.models.activations import read as activations
from analysis.models.data import Examples, load
from analysis.models.network import CONFIG
from analysis.neural import scoring
from analysis.neural.populations import MERGED, Population, compared_images
from analysis.params import Params
from analysis.params.protocol import CORRECTED, PROTOCOLS, REPORT, Protocol
from analysis.statistics.inference import percentile_interval
from analysis.statistics.rsa.rdm import RDM, rdm

DRAWS = 100
"""Bootstrap draws of units, images and test images per seed; an interval pools those of all seeds."""
SMALL, TRAINED, PLANTED = "small networks", "trained models", "planted truth"
"""Networks trained here for every rung; those of the pipeline, for the rungs that share labels and selection; and what
was planted (planted.py), for the corrected protocol and the join flaw alone."""
PLANTED_RULES = (CORRECTED, replace(CORRECTED, join=REPORT.join))
SCORES = ("r2", "chance", "over_chance", "pearson_r", "rho", "left_within_block", "ceiling", "accuracy")
COLUMNS = ["network", "walk", "step", "field", "value", "units", "images", "seeds"]
COLUMNS += [f"{name}{end}" for name in SCORES for end in ("", "_low", "_high")]
LABEL_FIELDS = ("labels", "selection")
RECORDING_FIELDS = ("join", "fixations", "response", "latency", "stability", "region")
POPULATION_FIELDS = (*RECORDING_FIELDS, "unit_identity", "filling", "splits")
GEOMETRY_FIELDS = (*POPULATION_FIELDS, *LABEL_FIELDS)
UNIT_FIELDS = (*GEOMETRY_FIELDS, "components")
"""Fields on which parts of a score depend: rungs that agree on them share that part."""


def _of(rules: Protocol, fields: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(getattr(rules, name) for name in fields)


@dataclass(frozen=True)
class Score:
    """One quantity of one rung and seed: its value, and draws of it."""

    value: float
    draws: np.ndarray


@dataclass(frozen=True)
class Seen:
    """A trained network and what it says of the images.

    Attributes
    ----------
    stems : list of str, n_images
    top : (n_images, n_features)
        Activations of the top layer.
    labels : dict of str to int
        Label of each image under the network's protocol: 1 face, 0 non-face, -1 unlabelled.
    hits : (n_test,) float
        Whether each test image got its label.
    """

    stems: list[str]
    top: np.ndarray
    labels: dict[str, int]
    hits: np.ndarray

    def of(self, population: Population) -> np.ndarray:
        """Return the top layer at a population's images, in its order."""
        return self.top[scoring.rows_of(population, self.stems)]


def seen(top: np.ndarray, predicted: np.ndarray, examples: Examples) -> Seen:
    """Return what a network says, from its top layer and predicted classes in the order of the images."""
    stems, rows = examples.table["stem"].tolist(), examples.rows("test")
    hits = (predicted[rows] == examples.label[rows]).astype(float)
    return Seen(stems, top, dict(zip(stems, examples.label.tolist(), strict=True)), hits)


def _config(model: str) -> dict:
    path = paths.MODELS / model / CONFIG
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"{path} is missing or damaged: run the stage train for {model}") from error


def trained_models(params: Params) -> dict[tuple[str, str], Seen]:
    """Return the first trained network of each pair of labels and selection among ``models.run``."""
    out: dict[tuple[str, str], Seen] = {}
    for model in params.models.run:
        if activations.untrained(model):
            continue
        config = _config(model)
        rules = PROTOCOLS[config["protocol"]]
        key = _of(rules, LABEL_FIELDS)
        if config["kind"] == "pixels" or key in out:
            continue
        examples = load(rules)
        stems, top = activations.read(model, activations.layers(model)[-1])
        said = pd.read_csv(paths.MODELS / model / "predictions.csv", dtype=str, keep_default_na=False)
        classes = dict(zip(said["stem"], said["predicted"] == "face", strict=True))
        place = {stem: k for k, stem in enumerate(stems)}
        order = [place[stem] for stem in examples.table["stem"]]
        predicted = np.array([classes[stem] for stem in examples.table["stem"]], int)
        out[key] = seen(np.asarray(top[order], np.float64), predicted, examples)
    return out


def examples_of(rules: Protocol, validation: float, seed: int) -> Examples:
    """Return images with the labels and the selection split of a protocol.

    The report's split has no validation images: where a protocol keeps the report's labels and selects apart from the
    test, they are taken from the training images, with the same share of each label.
    """
    label_rules = CORRECTED if rules.labels == "roi" else REPORT
    examples = load(label_rules)
    if rules.selection == examples.selection or rules.labels == "roi":
        return replace(examples, selection=rules.selection)
    split = examples.split.astype(object)
    for label in (0, 1):
        rows = np.flatnonzero((split == "train") & (examples.label == label))
        rng = np.random.default_rng(seed_of(seed, "held out of the report's training images", label))
        split[rng.permutation(rows)[: max(1, round(validation * len(rows)))]] = "validation"
    return replace(examples, split=split.astype(str), selection="validation")


class Ladder:
    """What all rungs share: images, recordings already built, networks already trained.

    Parameters
    ----------
    params : Params
    area : str
    sources : list of responses.Source
        Recordings of the area, under either rule for areas.
    annotations : Annotations
    table : DataFrame
        ``images.csv``.

    Attributes
    ----------
    trained : dict
        Trained models of the pipeline, as `trained_models` returns them; none at first.
    planted : planted.Planted or None
        What was planted, where it is known; None at first.
    """

    def __init__(self, params: Params, area: str, sources: list, annotations, table: pd.DataFrame):
        self.params, self.values, self.area = params, params.audit, area
        self.sources, self.annotations, self.table = sources, annotations, table
        self.trained: dict[tuple[str, str], Seen] = {}
        self.planted: Planted | None = None
        self.groups = dict(zip(table["stem"], table["group"], strict=True))
        self._once = Once()

    def recorded(self, rules: Protocol) -> list[xr.Dataset]:
        """Return the recordings under a protocol; built once for all protocols that agree on how."""
        window = self.params.recordings.window_ms
        return self._once.get(
            ("recordings", *_of(rules, RECORDING_FIELDS)),
            lambda: [responses.recording(one, self.annotations, rules, window) for one in self.sources],
        )

    def allowed(self, rules: Protocol) -> set[str]:
        """Return the stems of the images that a protocol compares."""
        return set(compared_images(self.table, rules, self.values))

    def populations(self, rules: Protocol) -> list[Population]:
        """Return the populations of the area under a protocol; the same for all networks and seeds."""
        return self._once.get(
            ("populations", *_of(rules, POPULATION_FIELDS)),
            lambda: responses.population_list(self.recorded(rules), rules, self.allowed(rules), self.area),
        )

    def neural_rdms(self, rules: Protocol) -> list[RDM]:
        """Return the RDM of each population, over the units that both images have."""
        return self._once.get(
            ("rdms", *_of(rules, POPULATION_FIELDS)),
            lambda: [row_rdm(one.responses) for one in self.populations(rules)],
        )

    def ceilings(self, rules: Protocol) -> np.ndarray:
        """Return the split-half ceilings of all units under a protocol; the same for all networks and seeds."""
        n, seed = self.values.split_halves, seed_of(self.params.seed, "ladder halves")
        return self._once.get(
            ("ceilings", *_of(rules, POPULATION_FIELDS)),
            lambda: responses.ceilings(self.recorded(rules), rules, self.allowed(rules), self.area, n, seed),
        )

    def pool(self, seed: int) -> networks.Pool:
        """Return the candidates of one seed."""
        here = seed_of(self.params.seed, "ladder", seed)
        return self._once.get(("pool", seed), lambda: networks.Pool(load(CORRECTED).images, self.values.network, here))

    def network(self, rules: Protocol, seed: int, which: str) -> Seen | Planted | None:
        """Return the network of a protocol: trained here, or the trained model of its labels and selection, if any."""
        if which == SMALL:
            return self._small(rules, seed)
        if which == PLANTED:
            return self.planted if rules in PLANTED_RULES else None
        return self.trained.get(_of(rules, LABEL_FIELDS))

    def _small(self, rules: Protocol, seed: int) -> Seen:
        def make() -> Seen:
            examples = examples_of(rules, self.params.stimuli.validation, self.params.seed)
            train = examples.rows("train")
            candidates = self._once.get(
                ("candidates", rules.labels, seed, train.tobytes()),
                lambda: self.pool(seed).trained(examples.label, train, rules.labels),
            )
            chosen = networks.select(candidates, examples)
            return seen(chosen.top, chosen.predicted, examples)

        return self._once.get(("network", *_of(rules, LABEL_FIELDS), seed), make)

    def scores(self, rules: Protocol, seed: int, which: str = SMALL) -> dict[str, Score] | None:
        """Score one protocol with one seed: the quantities `SCORES`, and ``images`` and ``units`` as plain numbers.

        None where `which` has no network for the protocol.
        """
        network = self.network(rules, seed, which)
        return network and self._once.get(("scores", rules, seed, which), lambda: self._score(rules, seed, which))

    def _score(self, rules: Protocol, seed: int, which: str) -> dict[str, Score]:
        found, network = self.populations(rules), self.network(rules, seed, which)
        here = seed_of(self.params.seed, "ladder scores", seed)
        rng = np.random.default_rng(here)
        units = self._once.get(
            ("units", *_of(rules, UNIT_FIELDS), seed, which),
            lambda: [self._units(one, network, rules, here) for one in found],
        )
        rho, left = self._once.get(
            ("geometry", *_of(rules, GEOMETRY_FIELDS), seed, which), lambda: self._geometry(rules, network, here)
        )
        r2, r, chance = (np.concatenate([one[k] for one in units]) if units else np.empty(0) for k in range(3))
        aggregate = scoring.AGGREGATION[rules.aggregation]
        return {
            "r2": _resampled(r2, aggregate, rng),
            "chance": _resampled(chance, aggregate, rng),
            "over_chance": _resampled(r2 - chance, aggregate, rng),
            "pearson_r": _resampled(r, scoring.median, rng),
            "ceiling": _resampled(self.ceilings(rules), scoring.median, rng),
            "rho": rho,
            "left_within_block": left,
            "accuracy": _resampled(network.hits, np.mean, rng),
            "units": Score(int(np.isfinite(r2).sum()), np.empty(0)),
            "images": Score(int(np.median([len(one.images) for one in found])) if found else 0, np.empty(0)),
        }

    def _units(self, one: Population, network: Seen | Planted, rules: Protocol, seed: int):
        """Return r2 and Pearson's r of each unit, and the r2 that features of other images, in random order, give it.

        That r2 is the level of chance: 0 or a little less where components are chosen, far below where they are fixed.
        """
        here = seed_of(seed, one.recording)
        top = network.of(one)
        features = {"top": top, "chance": np.random.default_rng(seed_of(here, "other images")).permutation(top)}
        found = scoring.predictivity(one, features, self.groups, rules, self.values, here)
        return *found["top"], found["chance"][0]

    def _geometry(self, rules: Protocol, network: Seen | Planted, seed: int):
        """Return rho of model and neural RDM (mean over populations), and what shuffling within blocks leaves."""
        blocks = responses.block_of(self.recorded(rules), rules, self.area)
        whole, draws, left = [], [], []
        for one, whole_rdm in zip(self.populations(rules), self.neural_rdms(rules), strict=True):
            neural, model, keep = defined(whole_rdm, rdm(network.of(one), "correlation"))
            if len(keep) < scoring.LEAST_IMAGES or len(one.units) < scoring.LEAST_UNITS:
                continue
            images = [one.images[k] for k in keep]
            block = np.array([blocks[i] if one.recording == MERGED else one.recording for i in images])
            label = np.array([network.labels[i] for i in images])
            shuffled = shuffle(
                model, neural, label, block, self.values.shuffles, seed_of(seed, "within block"), ("block",)
            )
            whole.append(shuffled.rho)
            draws.append(image_draws(model, neural, DRAWS, seed_of(seed, "images", one.recording)))
            left.append(shuffled.left["block"])
        if not whole:
            return Score(np.nan, np.full(1, np.nan)), Score(np.nan, np.full(1, np.nan))
        return (
            Score(float(np.mean(whole)), np.mean(draws, axis=0)),
            Score(float(np.mean(left)), np.mean(left, axis=0)),
        )


def defined(neural: RDM, model: RDM) -> tuple[RDM, RDM, np.ndarray]:
    """Leave out images, the worst first, until every distance of both RDMs is defined; return the rows kept."""
    keep = np.arange(neural.n_images)
    if np.isfinite(neural.distances + model.distances).all():
        return neural, model, keep
    bad = ~np.isfinite(neural.square() + model.square())
    while len(keep) and bad[np.ix_(keep, keep)].any():
        keep = np.delete(keep, bad[np.ix_(keep, keep)].sum(axis=1).argmax())
    return neural.take(keep), model.take(keep), keep


def image_draws(model: RDM, neural: RDM, n: int, seed: int) -> np.ndarray:
    """Return bootstrap draws over images of the Spearman correlation of two RDMs, shape (n,)."""
    from analysis.statistics.rsa.bootstrap import bootstrap_rsa

    return bootstrap_rsa([model], [neural], "spearman", n, seed=seed, ceilings=False).scores[:, 0]


def _resampled(values: np.ndarray, statistic, rng: np.random.Generator) -> Score:
    known = values[np.isfinite(values)]
    if not len(known):
        return Score(np.nan, np.full(1, np.nan))
    drawn = known[rng.integers(len(known), size=(DRAWS, len(known)))]
    return Score(float(statistic(known)), scoring.BY_ROW[statistic](drawn))


def table_of(ladder: Ladder, steps: list[Rung], n_seeds: int) -> pd.DataFrame:
    """Score every rung with every seed.

    Returns
    -------
    DataFrame
        One row per rung and network (`SMALL`, `TRAINED`, `PLANTED`): network, walk, step, field, value (of that
        field), units, images, seeds, and for each of `SCORES` the mean over seeds and the ends of the 95 % interval
        over seeds and resampled units (r2, chance, over_chance, pearson_r, ceiling), images (rho), shuffles
        (left_within_block) or test images (accuracy).
    """
    kinds = (SMALL, TRAINED, PLANTED)
    tasks = [(rung.protocol, seed, which) for which in kinds for rung in steps for seed in range(n_seeds)]
    scored = dict(zip(tasks, map_threads(lambda task: ladder.scores(*task), tasks, progress="rungs"), strict=True))
    rows = []
    for which, rung in product(kinds, steps):
        found = [scored[rung.protocol, seed, which] for seed in range(n_seeds)]
        if found[0] is None:
            continue
        row = {
            "network": which,
            "walk": rung.walk,
            "step": rung.step,
            "field": rung.field,
            "value": getattr(rung.protocol, rung.field) if rung.field else "",
            "units": found[0]["units"].value,
            "images": found[0]["images"].value,
            "seeds": n_seeds,
        }
        for name in SCORES:
            row[name] = float(np.mean([one[name].value for one in found]))
            row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(
                np.concatenate([s[name].draws for s in found])
            )
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
