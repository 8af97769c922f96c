"""HMO (Yamins et al. 2014): hierarchical modular optimisation, a search for modules interleaved with boosting.

Stage 1: modules of one to three layers with random filters are found one after another, each by its own search, which
targets the errors of the modules before it. Stage 2: modules of one layer on the maps of all first-stage modules,
averaged to a common grid and stacked by channel. Their averages over space are the top-level outputs, read out by a
linear support vector machine. Everything is fitted on training images, except that C of the final read-out is chosen on
the selection images; test images are not used.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from analysis.core import settings
from analysis.core.errors import DataError
from analysis.core.parallel import map_threads, one_thread
from analysis.core.seeds import seed_of
from analysis.models import data
from analysis.models.network import glorot_
from analysis.models.registry import Fitted, Job, Kind
from analysis.models.train.training import Plan, Split, TrainingFailed, is_memory, train_network
from analysis.models.yamins_hmo import boosting, svm
from analysis.models.yamins_hmo import space as hmo_space
from analysis.models.yamins_hmo.ask_tell import Told, Tried, minimise
from analysis.models.yamins_hmo.layers import Module
from analysis.models.yamins_hmo.network import build, maps_of
from analysis.models.yamins_hmo.screening import Screening, sides


@dataclass(frozen=True)
class StageSearch:
    """The search for one stage of HMO (``first`` or ``second``): the modules' input and how many candidates are tried.

    `x` is (n, channels, height, width), `space` maps an optuna trial to the values of a module, and `grid` is the
    number of cells per side to which maps are averaged before the read-out (None: averaged over space).
    """

    name: str
    x: torch.Tensor
    space: Callable
    grid: int | None
    modules: int
    candidates: int


@dataclass
class ChosenModules:
    """The modules chosen for a stage so far, their maps of the screening images, and a record of each round."""

    modules: list[Module]
    values: list[dict]
    maps: list[torch.Tensor]
    rounds: list[dict]

    def keep(self, n: int) -> None:
        """Drop all modules but the first n."""
        for found in (self.modules, self.values, self.maps):
            del found[n:]

    def summary(self) -> dict:
        """Return the number of modules kept and of rounds run, and the error of the first and of all kept modules.

        The errors are those of the label.
        """
        kept, errors = len(self.modules), [one["error_of_all"] for one in self.rounds]
        about = {"modules": kept, "rounds": len(errors)}
        return about | ({"error_of_first": errors[0], "error_of_kept": errors[kept - 1]} if errors else {})


def search(job: Job, stage: StageSearch, screening: Screening) -> ChosenModules:
    """Choose the modules of a stage one after another, in the variant ``job.entry.weights``.

    boosting: each round gives more weight to images that the modules so far misclassify, and starts a new search. The
    stage ends once the error of all modules, read out as in the finished network, has not fallen for ``patience``
    rounds; modules after the lowest error are dropped.
    margin: the decision of the modules so far is an additional feature of every candidate, and weights stay equal.
    none: a single search, whose best candidates are the modules.
    """
    entry, chosen = job.entry, ChosenModules([], [], [], [])
    equal = boosting.balanced(screening.tasks)
    weights, margin = equal, None
    if entry.weights == "none":
        tried = search_round(job, stage, screening, "all", weights, None, stage.modules * stage.candidates)
        for number, one in enumerate(_best(tried, stage.modules, job.name)):
            _add(job, stage, chosen, one, "all", number)
        return chosen
    for number in range(stage.modules):
        tried = search_round(job, stage, screening, number, weights, margin, stage.candidates)
        [one] = _best(tried, 1, job.name)
        _add(job, stage, chosen, one, number, number)
        stacked = torch.cat([maps.flatten(1) for maps in chosen.maps], 1)
        decision = screening.decisions(stacked, weights)
        whole = decision if number == 0 else screening.decisions(stacked, equal)
        _record(job, stage, chosen, one, screening, whole)
        if _ended(chosen, entry.patience):
            break
        if entry.weights == "margin":
            margin = decision
        else:
            weights = boosting.reweighted(weights, screening.tasks, decision, entry.shrinkage)
    if entry.patience is not None:
        chosen.keep(_lowest(chosen) + 1)
    return chosen


def _record(job: Job, stage: StageSearch, chosen: ChosenModules, one: Tried, screening: Screening, decision) -> None:
    """Record and print the result of a round; `decision` (n_tasks, n) is that of all modules so far."""
    equal, y = boosting.balanced(screening.tasks), screening.y
    label = boosting.label_error(y, decision[: len(y)])
    tasks = boosting.weighted_error(equal, screening.tasks, decision)
    chosen.rounds.append(
        {"candidate": one.number, "loss": one.told.loss, "error_of_all": label, "error_of_tasks": tasks}
    )
    print(
        f"{job.name}: {stage.name} stage, module {len(chosen.modules)} of {stage.modules}: loss {one.told.loss:.3f}, "
        f"balanced error of all modules {label:.3f}",
        flush=True,
    )


def _lowest(chosen: ChosenModules) -> int:
    """Return the first round after which the error over all tasks is lowest."""
    errors = [one["error_of_tasks"] for one in chosen.rounds]
    return errors.index(min(errors))


def _ended(chosen: ChosenModules, patience: int | None) -> bool:
    """Return whether the error over all tasks has not fallen for `patience` rounds."""
    return patience is not None and len(chosen.rounds) - 1 - _lowest(chosen) >= patience


def search_round(
    job: Job, stage: StageSearch, screening: Screening, name, weights, margin, candidates: int
) -> list[Tried]:
    """Run one search; candidates that fail are marked and do not stop it."""

    def evaluate(questions):
        return map_threads(lambda question: judge(*question), questions, settings.workers())

    def judge(number: int, values: dict) -> Told:
        try:
            module = Module(stage.x.shape[1], values).draw(_seed(job, stage, name, number)).to(job.device)
            maps = maps_of(module, stage.x, stage.grid)
            if not bool(torch.isfinite(maps).all()):
                return Told(None, "non-finite maps")
            decision = screening.decisions(maps, weights, margin)
        except (MemoryError, RuntimeError) as error:
            if not is_memory(error):
                raise
            return Told(None, "out of memory")
        return Told(boosting.weighted_error(weights, screening.tasks, decision))

    tried = minimise(
        stage.space,
        evaluate,
        candidates=candidates,
        batch=job.entry.batch,
        sampler=job.entry.search,
        seed=seed_of(job.seed, job.entry.kind, stage.name, name),
        journal=job.folder / f"{stage.name}-{name}.journal",
    )
    for one in tried:
        if one.told.failed is None:
            job.log(f"{stage.name}-{name}", one.number, {"loss": one.told.loss})
    return tried


def _seed(job: Job, stage: StageSearch, *names) -> int:
    return seed_of(job.seed, job.entry.kind, "filters", stage.name, *names)


def _best(tried: list[Tried], kept: int, name: str) -> list[Tried]:
    """Return the candidates of lowest loss, ties broken by number."""
    good = [one for one in tried if one.told.failed is None]
    if len(good) < kept:
        reason = next(one.told.failed for one in tried if one.told.failed is not None)
        raise DataError(
            f"model {name}: only {len(good)} of {len(tried)} candidates could be computed ({reason}); "
            f"raise models.{name}.first.candidates and second.candidates, or lower its size"
        )
    return sorted(good, key=lambda one: (one.told.loss, one.number))[:kept]


def _add(job: Job, stage: StageSearch, chosen: ChosenModules, one: Tried, name, place: int) -> None:
    """Rebuild a chosen candidate, train its filters in the variant ``trained``, and add it with its maps."""
    module = Module(stage.x.shape[1], one.values).draw(_seed(job, stage, name, one.number)).to(job.device)
    if job.entry.filters == "trained":
        _train(job, stage, module, place)
    chosen.modules.append(module)
    chosen.values.append(one.values)
    with one_thread():
        chosen.maps.append(maps_of(module, stage.x, stage.grid))


def _train(job: Job, stage: StageSearch, module: Module, place: int) -> None:
    """Train the filters of a module under a linear head."""
    values, rows = job.entry.training, screening_rows(job)
    labelled = torch.from_numpy(np.flatnonzero(job.examples.label[rows] >= 0))
    x, rows = stage.x[labelled.to(job.device)], rows[labelled.numpy()]
    y = torch.from_numpy(job.examples.label[rows].astype(np.int64)).to(job.device)
    cells = (stage.grid or 1) ** 2
    pooled = nn.AdaptiveAvgPool2d(stage.grid or 1)
    head = nn.Linear(cells * module.layers[-1].weight.shape[0], len(job.examples.classes))
    seed = seed_of(job.seed, job.entry.kind, "training", stage.name, place)
    glorot_(head, torch.Generator().manual_seed(seed))
    module.requires_grad_(True)
    network = nn.Sequential(module, pooled, nn.Flatten(), head).to(job.device)
    plan = Plan(epochs=values.epochs, batch=values.batch, learning_rate=values.learning_rate)
    checkpoint = job.folder / f"{stage.name}-{place}.safetensors"
    try:
        train_network(network, Split(x, y), None, plan, seed, checkpoint)
    except TrainingFailed as error:
        raise DataError(f"model {job.name}: {error} (see models.{job.name}.training)") from error
    module.requires_grad_(False)


def screening_rows(job: Job) -> np.ndarray:
    """Return the rows of the screening images: the labelled training images, or with categories all annotated ones."""
    if job.entry.tasks == "face":
        return job.examples.rows("train")
    known = (job.examples.label >= 0) | job.examples.table["annotated"].to_numpy()
    return np.flatnonzero((job.examples.split == "train") & known)


def _screening(job: Job, rows: np.ndarray) -> Screening:
    entry, table = job.entry, job.examples.table.iloc[rows]
    # The tasks of more than two classes are those of the categories already.
    further = entry.tasks == "categories" and len(job.examples.classes) == 2
    category = table["category"].to_numpy() if further else None
    seed = seed_of(job.seed, entry.kind, "folds")
    label = job.examples.label[rows]
    return Screening.of(label, table["group"].to_numpy(), entry.folds, entry.C, seed, category, job.examples.classes)


def fit(job: Job) -> Fitted:
    """Search for the modules of both stages and fit the read-out."""
    entry, rows, x = job.entry, screening_rows(job), data.resized(job.examples.images, job.entry.size)
    screening = _screening(job, rows)
    first = search(
        job,
        StageSearch(
            name="first",
            x=x[torch.from_numpy(rows)].to(job.device),
            space=lambda trial: hmo_space.module(trial, entry.n_filt, entry.k_filt),
            grid=entry.grid,
            modules=entry.first.modules,
            candidates=entry.first.candidates,
        ),
        screening,
    )
    n_filt = entry.top // entry.second.modules
    second = search(
        job,
        StageSearch(
            name="second",
            x=torch.cat(first.maps, 1),
            space=lambda trial: hmo_space.module(trial, [n_filt], entry.second_k_filt),
            grid=None,
            modules=entry.second.modules,
            candidates=entry.second.candidates,
        ),
        screening,
    )
    architecture = {"size": entry.size, "grid": entry.grid, "first": first.values, "second": second.values}
    architecture |= job.classes
    network = build(architecture)
    for modules, searched in ((network.first, first.modules), (network.second, second.modules)):
        for module, fitted in zip(modules, searched, strict=True):
            module.load_state_dict(fitted.state_dict())
    network.to(job.device)
    labelled = screening.y[0] != 0
    top = torch.cat(second.maps, 1)[torch.from_numpy(labelled).to(job.device)]
    C, errors = fit_read_out(network, job, x, top, screening.y[:, labelled])
    notes = {"rounds": {"first": first.rounds, "second": second.rounds}, "C": C, "selection_error": errors}
    at_edge = len(entry.Cs) > 1 and C in (min(entry.Cs), max(entry.Cs))
    if at_edge:
        print(f"{job.name}: C = {C:g} is at the edge of Cs; extend the range models.{job.name}.Cs", flush=True)
    metrics = {"first": first.summary(), "second": second.summary(), "C": C, "C_at_edge": at_edge}
    return Fitted(network, architecture, notes, {"search": metrics})


def fit_read_out(
    network, job: Job, x: torch.Tensor, top: torch.Tensor, y: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Fit the read-out of `network` on the top-level outputs of the screening images, whose label is `y` (`sides`).

    Returns the C of lowest balanced error on the selection images (the smallest if tied), and this error by C.
    """
    rows = job.examples.rows(job.examples.selection)
    y_selection, weights = sides(job.examples.label[rows], len(job.examples.classes)), boosting.balanced(y)
    images = x[torch.from_numpy(rows)].to(job.device)
    with one_thread():
        outputs = maps_of(lambda batch: network.maps(batch)["L4"], images, None)
    errors = {}
    for C in job.entry.Cs:
        network.read_out.set(svm.fit(top, y, weights, C))
        with torch.no_grad():
            logits = network.read_out(outputs).cpu().numpy()
        decision = logits.T if len(y) > 1 else (logits[:, 1] - logits[:, 0])[None]
        errors[C] = boosting.label_error(y_selection, decision)
    best = min(errors, key=lambda C: (errors[C], C))
    network.read_out.set(svm.fit(top, y, weights, best))
    return best, {str(C): error for C, error in errors.items()}


KIND = Kind(fit, build)
