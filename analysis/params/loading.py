"""Read ``params.yaml`` and check it before anything runs."""

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from analysis.core.errors import DataError
from analysis.params import messages
from analysis.params.across import disagreements
from analysis.params.base import Group
from analysis.params.schema import Params

SAID = 8
"""Faults that the line of an error names."""


def load(path: str | os.PathLike = "params.yaml") -> Params:
    """Read and check the parameters.

    Raises
    ------
    DataError
        If the file is missing or not YAML, a key is unknown, missing or twice there, or a value is impossible. The
        message names every such key.
    """
    params, wrong = examine(path)
    _refuse(path, wrong)
    return params


def load_agreeing(path: str | os.PathLike = "params.yaml") -> Params:
    """Read and check the parameters as `load`, and refuse groups that do not agree with each other."""
    params = load(path)
    _refuse(path, disagreements(params))
    return params


def _refuse(path: str | os.PathLike, wrong: list[str]) -> None:
    if wrong:
        more = f"; and {len(wrong) - SAID} more: python -m analysis check lists them" if len(wrong) > SAID else ""
        raise DataError(f"{path}: {'; '.join(wrong[:SAID])}{more}")


def examine(path: str | os.PathLike) -> tuple[Params | None, list[str]]:
    """Read the parameters; return them, if every value is possible by itself, and all that is wrong with values.

    Raises `DataError` if the file cannot be read.
    """
    values, repeated = _read(Path(path))
    params, wrong = judge(values)
    return params, repeated + wrong


def judge(values: Any) -> tuple[Params | None, list[str]]:
    """Return values as parameters, if every one is possible by itself, and all that is wrong with them."""
    named, infinite = messages.bad_names(values), messages.not_finite(values)
    wrong = [*named, *(f"{key} = {number}: give a finite number" for key, number in infinite.items())]
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        return None, wrong + messages.of_errors(error.errors(), set(infinite))
    return (None, wrong) if infinite else (params, wrong)


def _read(path: Path) -> tuple[Any, list[str]]:
    """Return the values of a YAML file, and the keys that it gives twice."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        repeated = [f"{key} stands there twice: keep one" for key in _repeated(node, "")] if node else []
        return loader.construct_document(node) if node else None, repeated
    except FileNotFoundError as error:
        raise DataError(f"{path} not found: run from the folder that holds it") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise DataError(f"{path} is not plain YAML: something in it holds itself") from error
    except (yaml.YAMLError, ValueError) as error:
        raise DataError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _repeated(node: yaml.Node, key: str) -> list[str]:
    """Return the keys that a mapping holds twice, of which YAML's reader would keep the last without a word."""
    found = []
    if isinstance(node, yaml.MappingNode):
        names = [name.value for name, _ in node.value]
        found += [f"{key}.{name}".lstrip(".") for name in dict.fromkeys(names) if names.count(name) > 1]
        for name, value in node.value:
            found += _repeated(value, f"{key}.{name.value}".lstrip("."))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            found += _repeated(value, key)
    return found


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


def _subset(group: Group, tree: dict) -> Group:
    if not tree:
        return group
    return type(group).model_construct(**{name: _subset(getattr(group, name), rest) for name, rest in tree.items()})
