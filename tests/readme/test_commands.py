"""Every command of README and docs has one place where it runs, and what runs is on a page."""

import importlib.util
import re

import pytest
import typer.main

from analysis.cli import app
from tests.project import ROOT
from tests.readme import online, table
from tests.readme.commands import code_blocks, commands, commands_of

TABLES = table.HERE, online.ONLINE


@pytest.mark.parametrize("text", sorted({command.text for command in commands()}))
def test_every_command_runs_in_one_place_or_says_why_not(text):
    here, net = ([page for page, runs in found.items() if text in runs] for found in TABLES)
    of_pipeline = table.of_pipeline(text.replace("MODEL", table.MODEL))
    assert sum([bool(here), bool(net), of_pipeline, bool(table.elsewhere(text))]) == 1


def test_every_command_that_runs_is_on_its_page():
    typed = {(command.page, command.text) for command in commands()}
    assert {(page, text) for found in TABLES for page, runs in found.items() for text in runs} - typed == set()


def test_commands_of_blocks_run_where_they_stand():
    """In a block the order matters: a command that runs on another page is not enough."""
    elsewhere = [
        command
        for command in commands()
        if command.in_block
        and not any(command.text in found.get(command.page, {}) for found in TABLES)
        and not table.elsewhere(command.text)
    ]
    assert elsewhere == []


def test_no_reason_is_left_over():
    texts = [command.text for command in commands()]
    assert [pattern for pattern in table.ELSEWHERE if not any(re.fullmatch(pattern, text) for text in texts)] == []


@pytest.mark.parametrize("text", sorted({command.text for command in commands() if "nox -s" in command.text}))
def test_every_session_exists(text):
    session = re.search(r"\bnox -s (\w+)", text)[1]
    assert f"\ndef {session}(session" in (ROOT / "noxfile.py").read_text()


@pytest.mark.parametrize("text", sorted({command.text for command in commands() if "python -m" in command.text}))
def test_every_module_and_every_command_of_the_command_line_exists(text):
    module, *words = text.partition("python -m ")[2].split()
    assert importlib.util.find_spec(module)
    if module == "analysis" and words and not words[0].startswith("-"):
        group = typer.main.get_command(app)
        assert words[0] in group.commands
        options = {option for parameter in deepest(group, words).params for option in parameter.opts}
        if words[0] != "worker":  # whose options are dask's
            assert {word for word in words if word.startswith("--")} <= options


def deepest(command, words: list[str]):
    """Return the command that the first words name."""
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```sh\nmake all && ls   # both\n```", ["make all", "ls"]),
        ("```sh\na \\\n    --b\n```", ["a --b"]),
        ("```python\nmake()\n```", []),
        (
            "see `dvc repro -f x`, `dvc.yaml`, `git`, `nox` and\n`A=1 nox -s lint`",
            ["dvc repro -f x", "nox", "A=1 nox -s lint"],
        ),
        ("| `python -m analysis train MODEL` |", ["python -m analysis train MODEL"]),
    ],
)
def test_commands_are_found(text, found):
    assert [command.text for command in commands_of(text, "page")] == found


def test_blocks_of_a_language_are_found():
    assert code_blocks("yaml", "```yaml\na: 1\n```\n```sh\nls\n```\n") == ["a: 1\n"]
