"""Claims on where the models look: whether the maps of evidence lie in faces, more than each control would have it."""

from analysis.core.reading import read_json
from paper.claims.models import named
from paper.claims.verdicts import LARGER, SMALLER, estimate
from paper.plots.supplement.explain import METHODS, is_available
from paper.results import Results

CONTROLS = ("initial", "centre_bias")
"""Beside shifted faces: maps of the untrained network, and a Gaussian at the centre of the image."""


def explain(results: Results) -> dict | None:
    """Return what the maps of each explained model show; None if the stage did not run.

    Returns
    -------
    dict
        ``models``: key, name, ``maps`` (method, number of images, share in the face and in shifted faces, and the
        differences from ``shifted`` faces and from each of `CONTROLS`), names of the methods whose maps lie ``inside``
        faces more than in shifted ones, of those that also exceed both other controls (``learned``), and of those that
        lie there less (``outside``), and mean probability of a face with and without blurring (``p_face``), with
        whether it ``falls`` for faces; ``skipped``: name and reason of models that were not explained.
    """
    if not is_available(results):
        return None
    found = read_json(results.file("explain/summary.json"), "run the stage explain")
    return {
        "models": [_model(key, one) for key, one in found["models"].items()],
        "skipped": [named(key) | {"reason": reason} for key, reason in found["skipped"].items()],
    }


def _model(key: str, found: dict) -> dict:
    maps = [_map(METHODS[method], one) for method, one in found["maps"].items()]
    inside = [one for one in maps if one["shifted"]["verdict"] == LARGER]
    learned = [one for one in inside if all(one[control]["verdict"] == LARGER for control in CONTROLS)]
    outside = [one for one in maps if one["shifted"]["verdict"] == SMALLER]
    p_face = found["p_face"]
    return named(key) | {
        "maps": maps,
        **{name: [one["method"] for one in group] for name, group in (("inside", inside), ("learned", learned))},
        "outside": [one["method"] for one in outside],
        "p_face": p_face,
        "falls": p_face["faces"]["blurred"] < p_face["faces"]["intact"],
    }


def _map(method: str, found: dict) -> dict:
    trained = found["trained"]
    return {
        "method": method,
        "images": trained["n_images"],
        "in_face": trained["in_face"],
        "in_shifted_faces": trained["in_shifted_faces"],
        "shifted": _difference(trained),
        **{control: _difference(found["minus"][control]) for control in CONTROLS},
    }


def _difference(found: dict) -> dict:
    return estimate(*(found[key] for key in ("difference", "ci_low", "ci_high")))
