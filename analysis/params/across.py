"""Check that keys of different groups agree, so that no stage fails on a conflict hours later."""

from collections import Counter
from collections.abc import Iterator

from pydantic import ValidationError

from analysis.params.hmo import HMO, ReportHMO
from analysis.params.models import Models
from analysis.params.recorded import FreeViewing
from analysis.params.schema import Candidates, Params

SELECTED = ("areas", "monkeys", "recordings", "kinds")
"""Keys of a selection of recordings that may be lists."""


def disagreements(params: Params) -> list[str]:
    """Return one message per conflict between keys."""
    return [*_repeated(params), *_absent(params), *_searched(params)]


def ablated(models: Models, candidates: Candidates) -> tuple[HMO, ReportHMO]:
    """Return the models of the ablation: those that ``candidates`` names, at the sizes of ``candidates.ablation``.

    Raises ``ValidationError`` if such a model is impossible.
    """
    sizes = candidates.ablation
    full = models.entry(candidates.model).model_dump() | sizes.hmo.model_dump()
    report = models.entry(candidates.report).model_dump() | sizes.report.model_dump()
    return HMO.model_validate(full), ReportHMO.model_validate(report)


def _repeated(params: Params) -> Iterator[str]:
    sets = {name: params.recorded.datasets.entry(name) for name in params.recorded.datasets.names()}
    free = {f"recorded.datasets.{name}": entry for name, entry in sets.items() if isinstance(entry, FreeViewing)}
    selections = {"acquire": params.acquire, **free}
    lists = {
        "models.run": params.models.run,
        **{f"{key}.{name}": getattr(one, name) for key, one in selections.items() for name in SELECTED},
        "candidates.areas": params.candidates.areas,
        "explain.models": params.explain.models,
        "timing.models": params.timing.models,
        "recorded.run": params.recorded.run,
        "recorded.models": params.recorded.models,
    }
    for key, values in lists.items():
        names = Counter(values) if isinstance(values, list) else {}
        if twice := [name for name, count in names.items() if count > 1]:
            yield f"{key} lists {', '.join(twice)} twice: remove the duplicates"


def _absent(params: Params) -> Iterator[str]:
    """Yield what keeps the stages ``explain`` and ``timing`` from finding the models they name."""
    run = params.models.run
    for key, names in (("explain.models", params.explain.models), ("timing.models", params.timing.models)):
        if absent := [name for name in names if name not in run]:
            yield f"{key} names {', '.join(absent)}: give models of models.run ({', '.join(run)})"
    for name in params.timing.models:
        if name in run and (protocol := params.models.entry(name).protocol) != "corrected":
            yield f"timing.models names {name}, of the {protocol}'s protocol, whose responses have no time course"


def _searched(params: Params) -> Iterator[str]:
    """Yield what keeps the stage ``candidates`` from using its models."""
    values, wrong = params.candidates, False
    for key, name, kind in (("model", values.model, "hmo"), ("report", values.report, "report_hmo")):
        found = params.models.kinds().get(name)
        if found != kind:
            of_kind = [other for other, one in params.models.kinds().items() if one == kind]
            choice = f"give {' or '.join(of_kind)}" if of_kind else f"add an entry of kind {kind}"
            what = f"of kind {found}, not of kind {kind}" if found else "not an entry under models"
            yield f"candidates.{key} = {name!r} is {what}: {choice}"
            wrong = True
    if wrong:
        return
    try:
        ablated(params.models, values)
    except ValidationError as error:
        yield from (f"candidates.ablation: {one['ctx']['error']}" for one in error.errors() if "ctx" in one)
