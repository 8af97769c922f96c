"""Describe in plain words the values that a key of ``params.yaml`` allows, from its type in the schema."""

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from analysis.params.base import Group

PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


def describe(annotation: Any, metadata: Iterable = ()) -> str:
    """Describe the values that a type allows, to be read after "give".

    Parameters
    ----------
    annotation : type
        As pydantic holds it: `Annotated`, a union, `Literal`, a list, a group or a plain type.
    metadata : iterable
        Constraints on it: objects with ``ge``, ``gt``, ``le``, ``lt``, ``min_length``, ``max_length``, or a
        `FieldInfo` with a description, which is then returned alone.
    """
    metadata = list(_flat(metadata))
    if words := [item.description for item in metadata if getattr(item, "description", None)]:
        return words[0]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe(arguments[0], [*metadata, *arguments[1:]])
    if origin is Literal:
        return _either(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(describe(one) for one in arguments)
    if origin is list or annotation is list:
        return _describe_list(arguments, _bounds(metadata))
    if origin is dict:
        return f"keys, each with {describe(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Group):
        return f"the keys {', '.join(annotation.model_fields)}"
    return PLAIN[annotation] + _range(annotation, _bounds(metadata))


def describe_field(field: FieldInfo) -> str:
    """Describe the values that a field of a group allows, to be read after "give"."""
    return field.description or describe(field.annotation, field.metadata)


def _flat(metadata: Iterable) -> Iterable:
    """Yield constraints; those within a `FieldInfo` after the info itself."""
    for item in metadata:
        yield item
        yield from getattr(item, "metadata", ())


def _bounds(metadata: list) -> dict[str, Any]:
    names = ("ge", "gt", "le", "lt", "min_length", "max_length")
    return {name: getattr(item, name) for item in metadata for name in names if getattr(item, name, None) is not None}


def _describe_list(arguments: tuple, bounds: dict[str, Any]) -> str:
    least, most = bounds.get("min_length"), bounds.get("max_length")
    if least is not None and least == most:
        size = f"a list of {least}, each "
    elif most is not None:
        size = f"a list of {least or 0} to {most}, each "
    else:
        size = f"a list of {least} or more, each " if least else "a list, each "
    return size + describe(arguments[0]) if arguments else "a list"


def _range(annotation: type, bounds: dict[str, Any]) -> str:
    """Return the range of a number, with a leading space."""
    low = f"{bounds['ge']:,}" if "ge" in bounds else None
    high = f"{bounds['le']:,}" if "le" in bounds else None
    if annotation is float:
        low, high = (f"{bounds[name]:g}" if name in bounds else None for name in ("ge", "le"))
    if low and high:
        return f" from {low} to {high}"
    above = f" above {bounds['gt']:g}" if "gt" in bounds else f" of {low} or more" if low else ""
    below = f" below {bounds['lt']:g}" if "lt" in bounds else f" up to {high}" if high else ""
    return above + (" and" if above and below else "") + below


def _either(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
