"""Read ``params.yaml`` and check it before anything runs."""

import os
from pathlib import Path

import yaml
from pydantic import ValidationError

from analysis.core.errors import DataError
from analysis.params.base import Group
from analysis.params.models import KINDS, Model
from analysis.params.recorded import SOURCES
from analysis.params.schema import Params


def load(path: str | os.PathLike = "params.yaml") -> Params:
    """Read and check the parameters.

    Raises `DataError` if the file is missing or not YAML, a key is unknown or missing, or a value is impossible. The
    message names every such key.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return Params.model_validate(values)
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run from the folder that holds it") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise DataError(f"{path}: " + "; ".join(_message(item) for item in error.errors())) from error


def only(values: Params, names: list[str]) -> Params:
    """Return the named parameters alone, so that a stage cannot read one that ``dvc.yaml`` does not list.

    `names` are dotted keys of parameters or groups. Reading any other parameter raises `DataError`.
    """
    tree: dict = {}
    for name in names:
        branch = tree
        for key in name.split("."):
            branch = branch.setdefault(key, {})
    return _subset(values, tree)


def of_data_set(values: Params, name: str) -> Params:
    """Return the parameters as a recorded data set takes them.

    Its models and images; no patches at the gaze, as there is none.

    Raises `DataError` if there is no such data set.
    """
    chosen = values.recorded.datasets.entry(name)
    entries = {name: _without_patches(entry) for name, entry in values.models.__pydantic_extra__.items()}
    models = type(values.models).model_construct(run=values.recorded.models, **entries)
    compare = values.compare.model_copy(update={"images": chosen.images})
    return values.model_copy(update={"models": models, "compare": compare})


def _without_patches(model: Model) -> Model:
    if "activations" not in type(model).model_fields:
        return model
    return model.model_copy(update={"activations": model.activations.model_copy(update={"patches": 0})})


def _subset(group: Group, tree: dict) -> Group:
    if not tree:
        return group
    return type(group).model_construct(**{name: _subset(getattr(group, name), rest) for name, rest in tree.items()})


def _message(error: dict) -> str:
    """Say in one clause what is wrong with which key (`error` is one of pydantic's)."""
    key, kind = _key(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        return f"unknown key {key}"
    if kind == "missing":
        return f"missing key {key}"
    if kind == "value_error":
        return f"{key}: {error['ctx']['error']}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        tag = error["ctx"]["discriminator"].strip("'")
        known = ", ".join(sorted(KINDS if tag == "kind" else SOURCES))
        return f"{key}.{tag} = {error['input'].get(tag)!r}: choose one of {known}"
    return f"{key} = {error['input']!r}: {error['msg']}"


def _key(location: tuple) -> str:
    if location[:1] == ("models",) and location[2:3] and location[2] in KINDS:
        location = (*location[:2], *location[3:])  # pydantic inserts the kind after the name of the model
    if location[:2] == ("recorded", "datasets") and location[3:4] and location[3] in SOURCES:
        location = (*location[:3], *location[4:])
    return ".".join(map(str, location)) or "top level"
