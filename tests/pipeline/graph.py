"""Which files of the project a module can reach, by what it imports."""

import ast
from functools import cache
from pathlib import Path

import grimp

from analysis.run import STAGES
from tests.project import ROOT

DISPATCH = ("analysis.__main__", "analysis.cli")
"""The command line imports every command, and a stage runs without it."""


@cache
def import_graph() -> grimp.ImportGraph:
    """Return the import graph of analysis/ and paper/, with modules that code names in strings.

    `analysis.run` names the module of every stage, of which a process loads one.
    """
    graph = grimp.build_graph("analysis", "paper", cache_dir=None)
    for module in sorted(graph.modules):
        if module != "analysis.run":
            for node in ast.walk(ast.parse(file_of(module).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in graph.modules:
                    graph.add_import(importer=module, imported=node.value)
    graph.remove_import(importer=DISPATCH[0], imported=DISPATCH[1])
    return graph


def file_of(module: str) -> Path:
    """Return the file of a module or package."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def reachable(stage: str) -> set[str]:
    """Return the files that a stage's process can load, relative to the project.

    A package's ``__init__`` runs with each of its modules; those of a docstring alone can change nothing.
    """
    graph = import_graph()
    modules = {DISPATCH[0], STAGES[stage].module}
    modules |= {module for root in list(modules) for module in graph.find_upstream_modules(root)}
    packages = {".".join(parts[:n]) for parts in map(lambda m: m.split("."), modules) for n in range(1, len(parts))}
    while new := {module for package in packages for module in graph.find_upstream_modules(package)} - modules:
        modules |= new
        packages |= {".".join(parts[:n]) for parts in map(lambda m: m.split("."), new) for n in range(1, len(parts))}
    files = {file_of(module) for module in modules | packages}
    return {path.relative_to(ROOT).as_posix() for path in files if not _docstring_alone(path)}


def _docstring_alone(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return path.name == "__init__.py" and all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body
    )
