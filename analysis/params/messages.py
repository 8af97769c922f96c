"""Error messages about ``params.yaml``: the key, its value, and what the key allows."""

import difflib
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from analysis.params.allowed import describe_field
from analysis.params.base import NAME, Group
from analysis.params.schema import Params

SHOWN = 60
"""Number of characters of a value that a message quotes."""
NAMED = ("models", "recorded.datasets")
"""Groups whose keys are names chosen by the user."""
FEW = 4
"""Up to this many missing keys of a group get a message each."""


def of_errors(errors: list[dict], known: set[str] = frozenset()) -> list[str]:
    """Return one message per key at fault, except the `known` ones and what they contain.

    Parameters
    ----------
    errors : list of dict
        Errors of pydantic's ``ValidationError``. If a key allows several types, each type has an error; the one that
        got deepest into the value says most.
    """
    found: dict[tuple[str, ...], tuple[int, str]] = {}
    misspelt = {(*error["loc"][:-1], _close(error["loc"])) for error in errors if error["type"] == "extra_forbidden"}
    errors = [error for error in errors if error["type"] != "missing" or error["loc"] not in misspelt]
    lacking = Counter(error["loc"][:-1] for error in errors if error["type"] == "missing")
    for error in errors:
        if error["type"] == "missing" and lacking[error["loc"][:-1]] > FEW:
            continue
        key, group, field, rest = _locate(error["loc"])
        if _within(key, known):
            continue
        identity = (*key, str(error["loc"][-1])) if error["type"] in ("extra_forbidden", "missing") else key
        if identity not in found or len(error["loc"]) >= found[identity][0]:
            found[identity] = (len(error["loc"]), _message(error, key, group, field, rest))
    return [message for _, message in found.values()] + [
        f"{'.'.join(_locate(place)[0]) or 'the file'} lacks {count} keys: "
        + ", ".join(error["loc"][-1] for error in errors if error["type"] == "missing" and error["loc"][:-1] == place)
        for place, count in lacking.items()
        if count > FEW and not _within(_locate(place)[0], known)
    ]


def _within(key: tuple[str, ...], known: set[str]) -> bool:
    """Tell whether a key or a group that contains it is among the known ones."""
    return any(".".join(key[:depth]) in known for depth in range(1, len(key) + 1))


def bad_names(values: Any) -> dict[str, str]:
    """Return a message for each invalid entry name, by the key of the entry; these names become folders."""
    wrong = {}
    for key in NAMED:
        group = values
        for part in key.split("."):
            group = group.get(part) if isinstance(group, dict) else None
        wrong |= {
            f"{key}.{name}": f"{key} has an invalid entry name {shown(name)}: use letters, digits, _ and -, at most 64"
            for name in (group if isinstance(group, dict) else {})
            if not (isinstance(name, str) and re.fullmatch(NAME, name))
        }
    return wrong


def no_text(values: Any, key: str = "") -> list[str]:
    """Return a message for each key that is not text, such as 1, ``on`` or ``~``; `bad_names` judges entry names."""
    if isinstance(values, list):
        return [line for value in values for line in no_text(value, key)]
    if not isinstance(values, dict):
        return []
    at = key or "the file"
    own = [] if key in NAMED else [name for name in values if not isinstance(name, str)]
    found = [
        f"{at} has the key {shown(name)}, which is not text: remove it or put it in quotation marks" for name in own
    ]
    return found + [
        line
        for name, value in values.items()
        if name not in own
        for line in no_text(value, f"{key}.{name}".lstrip("."))
    ]


def not_finite(value: Any, key: str = "") -> dict[str, float]:
    """Return the keys with an infinite or NaN value (``.inf``, ``.nan``), and that value."""
    if isinstance(value, float):
        return {} if math.isfinite(value) else {key: value}
    items = list(value.items()) if isinstance(value, dict) else []
    inner = [(item, f"{key}.{name}".lstrip(".")) for name, item in items]
    inner += [(item, key) for item in (value if isinstance(value, list) else [])]
    return {name: number for item, at in inner for name, number in not_finite(item, at).items()}


def shown(value: Any) -> str:
    """Return a value as one short line."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _locate(location: tuple) -> tuple[tuple[str, ...], "type[Group] | Entries | None", FieldInfo | None, tuple]:
    """Follow pydantic's location through the schema.

    Returns
    -------
    key : tuple of str
        The deepest key that is in the schema.
    group : type, `Entries` or None
        The group at this key, if it holds one; `Entries` for an entry whose kind is unknown.
    field : FieldInfo or None
        The key's field; None for an entry or the top level.
    rest : tuple
        The rest of the location: an index in a list, a branch of a union, an unknown key.
    """
    key, group, field = [], Params, None
    for place, token in enumerate(location):
        if isinstance(group, Entries) and token in group.kinds:
            group = group.kinds[token]  # pydantic inserts the kind after the name of the entry
        elif isinstance(group, type) and token in group.model_fields:
            field = group.model_fields[token]
            key, group = [*key, token], _group_in(field.annotation)
        elif isinstance(group, type) and group.model_config.get("extra") == "allow":
            key, group, field = [*key, str(token)], Entries.of(group), None
        else:
            return tuple(key), group, field, location[place:]
    return tuple(key), group, field, ()


@dataclass(frozen=True)
class Entries:
    """The possible entries of a group whose keys are names: a schema per kind, and the key that states the kind."""

    tag: str
    kinds: dict[str, type[Group]]

    @classmethod
    def of(cls, group: type[Group]) -> "Entries":
        """Return the possible entries of a group, from the type of its extra keys."""
        union, info = get_args(get_args(group.__annotations__["__pydantic_extra__"])[1])[:2]
        tag = info.discriminator
        options = get_args(union)
        return cls(tag, {name: one for one in options for name in get_args(one.model_fields[tag].annotation)})


def _group_in(annotation: Any) -> type[Group] | None:
    """Return the group that an annotation contains, if any."""
    options = get_args(annotation) if get_origin(annotation) is not Annotated else get_args(annotation)[:1]
    for option in options or (annotation,):
        if isinstance(option, type) and issubclass(option, Group):
            return option
    return None


def _message(error: dict, key: tuple, group: type[Group] | Entries | None, field: FieldInfo | None, rest: tuple) -> str:
    """Return one clause that says what is wrong with a key."""
    name, kind, value = ".".join(key), error["type"], error["input"]
    if kind == "extra_forbidden":
        return _unknown(key, group, str(rest[0]))
    if kind == "missing":
        return f"missing key {name}: give {_allowed(group, field)}"
    if kind == "value_error":
        return f"{name}: {error['ctx']['error']}".removeprefix(": ")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known = ", ".join(sorted(group.kinds))
        return f"{name}.{group.tag} = {shown(value.get(group.tag))}: choose one of {known}"
    holds = " holds" if any(isinstance(token, int) for token in rest) else " ="
    return f"{name or 'the file'}{holds} {shown(value)}: give {_allowed(group, field)}"


def _allowed(group: type[Group] | Entries | None, field: FieldInfo | None) -> str:
    if isinstance(group, Entries):
        return f"a {group.tag} and the values of that {group.tag}"
    return describe_field(field) if field else f"the keys {', '.join((group or Params).model_fields)}"


def _unknown(key: tuple, group: type[Group] | None, token: str) -> str:
    known, close = list((group or Params).model_fields), _meant(group, token)
    advice = f"did you mean {close}?" if close else f"the keys there are {', '.join(known)}"
    return f"unknown key {'.'.join((*key, token))}; {advice}"


def _meant(group: type[Group] | None, token: str) -> str | None:
    """Return the key of a group that an unknown one resembles, if one does."""
    known = list((group or Params).model_fields)
    same = [name for name in known if name.lower() == token.lower()]
    return next(iter(same or difflib.get_close_matches(token, known, 1)), None)


def _close(location: tuple) -> str | None:
    """Return the key that an unknown one, at the end of pydantic's location, resembles, if one does."""
    group = _locate(location[:-1])[1]
    return None if isinstance(group, Entries) else _meant(group, str(location[-1]))
