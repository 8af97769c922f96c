"""Read ``params.yaml`` and check it before anything runs."""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from analysis.core.errors import DataError
from analysis.params import messages
from analysis.params.across import disagreements
from analysis.params.base import Group
from analysis.params.models import Model
from analysis.params.schema import Params

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
ODD = re.compile(r"[-+]?0[0-9_bxo]|.*:")
"""Octal, binary and hexadecimal numbers, and those of base 60 (``1:30``)."""
SAID = 8
"""Largest number of faults that an error lists."""


def load(path: str | os.PathLike = "params.yaml") -> Params:
    """Read and check the parameters.

    Raises
    ------
    DataError
        If the file is missing or not YAML, a key is unknown, missing or repeated, or a value is invalid. The message
        names up to `SAID` such keys.
    """
    params, wrong = examine(path)
    _refuse(path, wrong)
    return params


def load_agreeing(path: str | os.PathLike = "params.yaml") -> Params:
    """Read and check the parameters like `load`, and refuse groups that conflict with each other."""
    params = load(path)
    _refuse(path, disagreements(params))
    return params


def _refuse(path: str | os.PathLike, wrong: list[str]) -> None:
    if wrong:
        more = f"; and {len(wrong) - SAID} more: python -m analysis check lists them" if len(wrong) > SAID else ""
        raise DataError(f"{path}: {'; '.join(wrong[:SAID])}{more}")


def examine(path: str | os.PathLike) -> tuple[Params | None, list[str]]:
    """Read the parameters; return them (None unless every value by itself is valid) and one message per fault.

    Raises `DataError` if the file cannot be read.
    """
    values, repeated, odd = _read(Path(path))
    params, wrong = judge(values, {*repeated, *odd})
    lines = [f"{key} is given twice: keep one" for key in repeated]
    lines += [f"{key} = {number}: write it as a decimal number" for key, number in odd.items()]
    return params, lines + wrong


def judge(values: Any, known: set[str] = frozenset()) -> tuple[Params | None, list[str]]:
    """Return values as parameters (None unless every value by itself is valid) and one message per fault.

    Keys `known` to be at fault get no further message.
    """
    if wrong := messages.no_text(values):
        return None, wrong
    named, infinite = messages.bad_names(values), messages.not_finite(values)
    wrong = [*named.values(), *(f"{key} = {number}: give a finite number" for key, number in infinite.items())]
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        return None, wrong + messages.of_errors(error.errors(), {*infinite, *named, *known})
    return (None, wrong) if infinite else (params, wrong)


def _read(path: Path) -> tuple[Any, list[str], dict[str, str]]:
    """Return the values of a YAML file, its repeated keys, and its odd numbers by key, as written."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            return None, [], {}
        repeated, odd = _repeated(node, ""), _odd_numbers(node, "")  # before the merges (<<) are made
        return loader.construct_document(node), repeated, odd
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run from the folder that holds it") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise DataError(f"{path} is not plain YAML: it contains a recursive alias") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _repeated(node: yaml.Node, key: str) -> list[str]:
    """Return the repeated keys of a mapping, of which the YAML reader would silently keep the last."""
    names = [name for name, _ in _inside(node, key)] if isinstance(node, yaml.MappingNode) else []
    found = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    return found + [name for at, value in _inside(node, key) for name in _repeated(value, at)]


def _odd_numbers(node: yaml.Node, key: str) -> dict[str, str]:
    """Return by key the numbers that YAML 1.1 reads differently from people and DVC: 010 as 8, 1:30 as 90."""
    if isinstance(node, yaml.ScalarNode):
        return {key: node.value} if node.tag in NUMBERS and ODD.match(node.value) else {}
    return {name: number for at, value in _inside(node, key) for name, number in _odd_numbers(value, at).items()}


def _inside(node: yaml.Node, key: str) -> list[tuple[str, yaml.Node]]:
    """Return the nodes of a mapping or list with their keys."""
    if isinstance(node, yaml.MappingNode):
        return [(f"{key}.{name.value}".lstrip("."), value) for name, value in node.value]
    return [(key, value) for value in node.value] if isinstance(node, yaml.SequenceNode) else []


def only(values: Params, names: list[str]) -> Params:
    """Return only the named parameters, so that a stage cannot read one that ``dvc.yaml`` does not list.

    `names` are dotted keys of parameters or groups. Reading any other parameter raises `DataError`.
    """
    tree: dict = {}
    for name in names:
        branch = tree
        for key in name.split("."):
            branch = branch.setdefault(key, {})
    return _subset(values, tree)


def of_data_set(values: Params, name: str) -> Params:
    """Return the parameters for a recorded data set: its models and images, and at steady gaze no patches.

    Raises `DataError` if there is no such data set.
    """
    chosen = values.recorded.datasets.entry(name)
    entries = values.models.__pydantic_extra__
    if not chosen.views_freely:
        entries = {name: _without_patches(entry) for name, entry in entries.items()}
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
    if absent := [name for name in tree if not hasattr(group, name)]:
        known = sorted({*type(group).model_fields, *(group.model_extra or {})} - {"run"})
        raise DataError(f"params.yaml has no {absent[0]!r}: choose one of {', '.join(known)}")
    return type(group).model_construct(**{name: _subset(getattr(group, name), rest) for name, rest in tree.items()})
