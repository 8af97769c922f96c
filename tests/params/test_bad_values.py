"""Every key of params.yaml with values that it cannot take: one line in our words, naming the key and what it takes."""

import copy
import math
import re

import pytest
import yaml

from analysis.params.loading import judge
from tests.project import ROOT

VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
OWN = {
    "kind": "own",
    "protocol": "corrected",
    "size": 64,
    "C": 1.0,
    "module": "mine:net",
    "arguments": {"depth": 2},
    "weights": {"file": "w.safetensors", "sha256": "0" * 64},
    "layers": ["a"],
    "mean": [0.0, 0.0, 0.0],
    "std": [1.0, 1.0, 1.0],
    "activations": {"pool": 2, "features": 8, "patches": 0},
}
VALUES["models"]["mine"] = OWN

WORDS = re.compile(
    r"Input should|validation error|pydantic|literal\[|list\[|constrained|dict\[|type=|should be a valid|errors?\.py|"
    r"string_|int_|float_|Extra inputs|Field required|function-",
)
"""What pydantic would say."""

BAD = {
    "text": "some text",
    "number as text": "5",
    "empty text": "",
    "path": "../../etc/passwd",
    "shell": "a;touch X",
    "lines": "two\nlines",
    "list": [1, 2],
    "list of lists": [[["a"]]],
    "empty list": [],
    "mapping": {"a": 1},
    "empty mapping": {},
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -3,
    "fraction": 2.5,
    "infinite": math.inf,
    "minus infinite": -math.inf,
    "not a number": math.nan,
    "huge": 10**30,
    "huge fraction": 1e300,
    "endless text": "x" * 10_000,
}


def leaves(value, key=()):
    yield key
    for name, item in value.items() if isinstance(value, dict) else ():
        yield from leaves(item, (*key, name))


KEYS = [key for key in leaves(VALUES) if key]
FREE = re.compile(r"^models\.mine\.(arguments|layers|weights)|^recorded\.datasets\.\w+\.training$")
"""Takes any text, or null."""


def put(key, value):
    values = copy.deepcopy(VALUES)
    group = values
    for name in key[:-1]:
        group = group[name]
    group[key[-1]] = value
    return values


def of_another_type(old, new):
    """Say whether no key that holds `old` can take `new`, whatever its range."""
    if isinstance(new, float) and not math.isfinite(new):
        return True
    if isinstance(old, bool) or isinstance(new, bool):
        return type(old) is not type(new)
    if isinstance(old, int | float):
        return not isinstance(new, int | float) or abs(new) > 1e20
    return type(old) is not type(new)


def test_there_are_enough_values():
    assert len(KEYS) * len(BAD) >= 400
    assert len(KEYS) > 200


@pytest.mark.parametrize("word", BAD)
def test_a_bad_value_is_one_line_that_names_the_key_and_what_it_takes(word):
    refused = 0
    for key in KEYS:
        name, old = ".".join(key), VALUES
        for part in key:
            old = old[part]
        params, wrong = judge(put(key, BAD[word]))
        if not wrong:
            nullable = BAD[word] is None and name in ("acquire.limit", "models.hmo.patience", "models.mine.weights")
            takes = nullable or (name == "acquire.limit" and isinstance(BAD[word], int))
            assert takes or FREE.match(name) or not of_another_type(old, BAD[word]), (name, BAD[word])
            assert params is not None
            continue
        refused += 1
        text = "; ".join(wrong)
        assert "\n" not in text, text
        assert not WORDS.search(text), text
        assert len(text) < 1200, text
        assert any(name in line or name.rpartition(".")[0] in line for line in wrong), (name, text)
        assert re.search(r"give |did you mean|choose one of|the keys there are|does not|leave|lacks ", text), text
    assert refused > 0.2 * len(KEYS)


@pytest.mark.parametrize("word", ["true", "mapping", "huge", "not a number", "list of lists"])
def test_the_number_of_refusals_is_that_of_keys(word):
    """These fit no key of params.yaml but a switch, free arguments and lists."""
    accepted = [".".join(key) for key in KEYS if not judge(put(key, BAD[word]))[1]]
    assert [name for name in accepted if not FREE.match(name) and not name.endswith("flip")] == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "acquire.areas",
            ["IT"],
            "acquire.areas holds 'IT': give all or a list of 1 or more, each V1, V2, V4",
        ),
        ("compare.folds", 1, "compare.folds = 1: give a whole number from 3 to 1,000,000"),
        ("compare.folds", "5", "compare.folds = '5': give a whole number from 3 to 1,000,000"),
        ("seed", -1, "seed = -1: give a whole number of 0 or more and below 9.22337e+18"),
        ("stimuli.test", 1.0, "stimuli.test = 1.0: give a number above 0 and below 1"),
        ("stimuli.test", 0.9, "stimuli: validation + test = 1.05: leave a share for training"),
        ("models.resnet.C", 1.0, "unknown key models.resnet.C; the keys there are kind, protocol, size,"),
        ("compare.fold", 1, "unknown key compare.fold; did you mean folds?"),
        ("models.run", [], "models.run = []: give a list of 1 or more, each a name of letters, digits, _ and -"),
        ("models.run", ["pixels", "../precious"], "models.run holds '../precious': give a list of 1 or more"),
        ("models.resnet", 5, "models.resnet = 5: give a kind and the values of that kind"),
        ("models.hmo.n_filt", [[16, 0]], "models.hmo.n_filt holds 0: give a list of 1 to 3, each a list of 2, each"),
        ("compare", None, "compare = None: give the keys images, fixed_components"),
        ("audit.network.learning_rate", math.inf, "audit.network.learning_rate = inf: give a finite number"),
    ],
)
def test_messages(key, value, message):
    wrong = judge(put(key.split("."), value))[1]
    assert len(wrong) == 1
    assert wrong[0].startswith(message)


@pytest.mark.parametrize("name", ["../precious", "a;touch X", "a b", "", "-x", "a/b", "a\n", "ä", "x" * 65, 5, "$(id)"])
def test_names_that_reach_a_path_or_a_shell(name):
    values = copy.deepcopy(VALUES)
    values["models"][name] = VALUES["models"]["pixels"]
    assert any(line.startswith(f"models has an invalid entry name {name!r}"[:60]) for line in judge(values)[1])


@pytest.mark.parametrize("whole", [None, [], "text", 5, [1], {1: 2}, {"seed": 1}])
def test_files_that_hold_something_else(whole):
    wrong = judge(whole)[1]
    assert wrong
    assert not WORDS.search("; ".join(wrong))
