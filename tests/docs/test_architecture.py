"""The pictures and tables of the documentation are those of the code and of dvc.yaml."""

import ast
import itertools

import grimp
import pytest

from docs import generate
from paper import blocks
from tests.project import ROOT


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def package(module: str) -> str:
    """Return the package of a module: a folder or file of analysis/, or paper."""
    package, *rest = module.split(".")
    return package if package == "paper" or not rest else rest[0]


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Return, for each package, the packages that its modules import, inside functions too."""
    graph = grimp.build_graph("analysis", "paper", cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in graph.modules - {"analysis"}:
        targets = {package(target) for target in graph.find_modules_directly_imported_by(module)}
        found.setdefault(package(module), set()).update(targets - {package(module), "analysis"})
    return found


def stated() -> dict[str, set[str]]:
    page = generate.ARCHITECTURE.read_text(encoding="utf-8")
    return {name: named for name, (_, named) in generate.packages(page).items()}


def test_the_table_has_the_rooms_of_the_code(imports):
    assert sorted(stated()) == sorted(imports)


def test_the_table_has_the_imports_of_the_code(imports):
    table = stated()
    wrong = {
        name: {"to add": sorted(found - table[name]), "to remove": sorted(table[name] - found)}
        for name, found in imports.items()
        if found != table[name]
    }
    assert wrong == {}, "docs/architecture.md; then python -m docs.generate"


OWNERS = {
    "STIMULI": "stimuli",
    "RECORDINGS": "recordings",
    "ACTIVATIONS": "models",
    "MODELS": "models",
    "NEURAL": "neural",
}
"""Folders of `analysis.core.paths`, and the step that writes each."""


def folders_named(source: str) -> set[str]:
    """Return the folders that a module imports from `analysis.core.paths` or takes as its attributes."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "analysis.core.paths":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "paths":
            found.add(node.attr)
    return found


def test_a_folder_of_data_is_named_by_the_step_that_writes_it_alone():
    files = [path for path in (ROOT / "analysis").glob("*/**/*.py") if path.relative_to(ROOT).parts[1] != "core"]
    named = {path: folders_named(path.read_text(encoding="utf-8")) & OWNERS.keys() for path in files}
    assert {OWNERS[folder] for folders in named.values() for folder in folders} == set(OWNERS.values())
    assert folders_named("from analysis.core import paths\nfolder = paths.NEURAL / 'x'") == {"NEURAL"}
    strangers = [
        f"{path.relative_to(ROOT)}: {folder}"
        for path, folders in named.items()
        for folder in sorted(folders)
        if path.relative_to(ROOT).parts[1] != OWNERS[folder]
    ]
    assert strangers == []


def test_no_room_imports_one_that_stands_before_it():
    order = list(stated())
    backward = [
        (name, other) for name, named in stated().items() for other in named if order.index(other) < order.index(name)
    ]
    assert backward == []


def test_the_pictures_and_the_table_of_parameters_are_up_to_date():
    for path, text in generate.pictures().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: python -m docs.generate"
    assert blocks.outdated({"parameters": generate.parameters()}) == [], "python -m docs.generate"


def test_every_stage_and_every_edge_is_drawn():
    graph = generate.shortest(generate.followers(generate.stages()))
    picture = generate.draw_path()
    assert [name for name in graph if f">{name}</text>" not in picture] == []
    assert picture.count("<path marker-end") == sum(map(len, graph.values()))


def test_arrows_between_boxes_never_point_back():
    column = {name: place[0] for name, place in generate.PLACES.items()}
    graph = generate.followers(generate.stages())
    assert [(a, b) for a, after in graph.items() for b in after if column[a] >= column[b]] == []


def test_a_picture_of_the_house_has_a_dot_for_each_import():
    page = "| `top` | uses both | `middle` `base` |\n| `middle` | is used | `base` |\n| `base` | is below | none |\n"
    assert generate.packages(page)["top"] == ("uses both", {"middle", "base"})
    assert generate.draw_imports(page).count("<circle") == 3


def test_stages_that_follow_share_a_path():
    pipeline = {
        "make": {"deps": ["code"], "outs": ["data/made"]},
        "each": {"deps": ["data/made"], "outs": ["models/${item.model}"]},
        "all": {"deps": ["models"], "outs": ["results/all.csv"], "metrics": ["results/metrics"]},
        "look": {"deps": ["results/metrics", "data/made/file.csv"], "outs": ["page"]},
    }
    graph = generate.followers(pipeline)
    assert graph == {"make": {"each", "look"}, "each": {"all"}, "all": {"look"}, "look": set()}
    assert generate.shortest(graph) == {"make": {"each"}, "each": {"all"}, "all": {"look"}, "look": set()}
    assert generate.reach(graph, {"each"}) == {"all", "look"}


def test_every_pair_of_boxes_is_apart():
    assert all(a != b for a, b in itertools.combinations(generate.PLACES.values(), 2))
