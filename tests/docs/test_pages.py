"""README and docs: links and named files exist, and the built pages load nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis import statistics
from tests.project import ROOT
from tests.readme.commands import PAGES, code_blocks

LINK = re.compile(r"\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"https://|mailto:")
NOT_A_FILE = re.compile(r"[*<>{}$]|^[A-Z_/]+$|/STAGE/|\.\.\.")
"""Names in backquotes that stand for several files, or for none."""
MADE = re.compile(
    r"(data|models|results|recorded|site|explained|audited|work|paper/figures|benchmarks/small|\.nox|\.venv|\.dvc/tmp|\.dvc/cache)(/|$)"
    r"|paper/(report\.(pdf|html)|supplement\.pdf|claims\.json)$|osf\.lock$"
)
"""What runs of the pipeline make."""
PLACES = ["", "analysis/", "docs/"]
"""Folders that the pages leave out of a name where it is plain."""


def path_of(page: str) -> Path:
    return ROOT / "README.md" if page == "README" else ROOT / "docs" / f"{page}.md"


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    here = path_of(page)
    for target in LINK.findall(PAGES[page]):
        if not OUTSIDE.match(target):
            name, _, anchor = target.partition("#")
            path = (here.parent / name).resolve() if name else here
            assert path.is_file(), f"{target} is not there"
            assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), f"{target} has no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page):
    names = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", PAGES[page]))
    names = {name for name in names if not (NOT_A_FILE.search(name) or MADE.match(name))}
    assert [name for name in sorted(names) if not any((ROOT / place / name).exists() for place in PLACES)] == []


def test_every_page_is_in_the_menu():
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} | {"README"} == set(PAGES)


def test_every_page_can_be_reached_from_the_readme():
    targets = {Path(target.partition("#")[0]).stem for target in LINK.findall(PAGES["README"] + PAGES["index"])}
    assert set(PAGES) - targets - {"README", "index"} == set()


def test_the_readme_is_short():
    assert len(PAGES["README"].encode()) < 8 * 1024


def test_folders_in_the_readmes_tree_are_those_of_the_code():
    [tree] = re.findall(r"^```\n(params\.yaml.*?)^```", PAGES["README"], re.DOTALL | re.MULTILINE)
    names = {indent: [] for indent in ("", "    ")}
    for indent, before in re.findall(r"^( *)(\S.*?)  ", tree, re.MULTILINE):
        names[indent] += before.split()
    assert {name.rstrip("/") for name in names["    "]} == {
        path.parent.name for path in (ROOT / "analysis").glob("*/__init__.py")
    }
    assert [name for name in names[""] if not list(ROOT.glob(name.rstrip("/")))] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Return the folder of the built pages."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_built_pages_load_nothing_from_elsewhere(site):
    """Links to other sites are for clicking; scripts, styles, fonts and images must be here."""
    pages = list(site.glob("*.html"))
    assert {path.stem for path in pages} >= set(PAGES) - {"README"}
    for path in pages:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)\b[^>]*\ssrc="?([^"\s>]+)', text)
        loaded += re.findall(r'<link\b[^>]*rel="?(?:stylesheet|preconnect|icon)[^>]*href="?([^"\s>]+)', text)
        assert loaded
        assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []


def test_the_example_of_the_statistics_does_what_it_says():
    names: dict = {}
    [code] = code_blocks("python", PAGES["statistics"])
    exec(code, names)
    assert (names["fit"].r2 > 0).mean() > 0.9
    assert names["fit"].predicted.shape == (2, 120, 10)
    assert names["lower"] < names["upper"] <= 1
    assert names["draws"].scores.shape == (1000, 1)
    assert np.isfinite(names["draws"].upper).all()


def test_functions_named_on_the_page_of_the_statistics_are_public():
    rows = re.findall(r"^\| .* \| (`.*`) \|$", PAGES["statistics"], re.MULTILINE)
    assert rows
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) <= set(statistics.__all__)


def test_the_api_documents_all_public_statistics(site):
    text = (site / "api.html").read_text(encoding="utf-8")
    assert [name for name in statistics.__all__ if f'id="analysis.statistics.{name}"' not in text] == []
