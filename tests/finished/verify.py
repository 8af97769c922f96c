"""Check a finished checkout: what is out of date, what differs when made again, what a reader would stumble over.

Run by ``nox -s verify`` after ``nox -s reproduce``. Each check returns what is wrong, as lines.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pypdf

from tests.finished.again import run_again
from tests.project import ROOT

PDF, SUPPLEMENT, PAGE = (Path("paper") / name for name in ("report.pdf", "supplement.pdf", "report.html"))
PAGES = {PDF: range(4, 9), SUPPLEMENT: range(4, 25)}
"""How many pages each may have: the main text at most eight."""


def status() -> Iterator[str]:
    """Nothing is out of date."""
    found = subprocess.run(["dvc", "status", "--json"], capture_output=True, text=True, check=False)
    if found.returncode or json.loads(found.stdout or "{}"):
        yield f"dvc status: {(found.stdout or found.stderr).strip()[:400]}"


def again() -> Iterator[str]:
    """Stages that take seconds give the recorded bytes again from their recorded inputs (others: --again STAGE...)."""
    yield from run_again([])


def numerics() -> Iterator[str]:
    """The results were computed with fixed numerics, so they have the bytes that other processors give."""
    stamp = Path("results/environment.json")
    if (state := json.loads(stamp.read_text(encoding="utf-8"))["numerics"]) != "fixed":
        yield f"{stamp}: numerics are {state}; unset NNN_NUMERICS and run dvc repro --force for the committed bytes"


def pdf() -> Iterator[str]:
    """Paper and supplement are archival and tagged, hold their fonts, have a fit length and no empty page."""
    for path, pages in PAGES.items():
        yield from _pdf(path, pages)


def _pdf(path: Path, pages: range) -> Iterator[str]:
    reader = pypdf.PdfReader(path)
    meta = reader.xmp_metadata.rdf_root.toxml()
    for standard, pattern in (("PDF/A-2a", "pdfaid:part>2<.*pdfaid:conformance>A<"), ("PDF/UA-1", "pdfuaid:part>1<")):
        if not re.search(pattern, meta, re.DOTALL):
            yield f"{path} does not say that it is {standard}"
    if len(reader.pages) not in pages:
        yield f"{path} has {len(reader.pages)} pages, not {pages.start} to {pages.stop - 1}"
    for number, page in enumerate(reader.pages, 1):
        if len(page.extract_text()) < 300:
            yield f"{path}: page {number} is almost empty"
        for name, font in page.get("/Resources", {}).get("/Font", {}).items():
            for inner in font.get_object().get("/DescendantFonts", [font]):
                descriptor = inner.get_object().get("/FontDescriptor", {})
                if not any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3")):
                    yield f"{path}: page {number}: font {name} is not embedded"


def paths_of_this_machine() -> Iterator[str]:
    """No output and no file of the project holds a path of this machine."""
    here = {str(ROOT), str(Path.home())} - {"/", "/root"}
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=False).stdout.split()
    made = [path for name in ("results", "paper/figures", "models") for path in Path(name).rglob("*") if path.is_file()]
    for path in [*map(Path, tracked), *made, *PAGES, PAGE]:
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield from (f"{path} holds the path {name}" for name in here if name.encode() in content)


def links() -> Iterator[str]:
    """Links within the page lead somewhere, and those of the paper are web addresses (tests/docs checks the README)."""
    page = PAGE.read_text(encoding="utf-8")
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    yield from (f"{PAGE}: no part {name}" for name in re.findall(r'href="#([^"]+)"', page) if name not in ids)
    for path in PAGES:
        for number, one in enumerate(pypdf.PdfReader(path).pages, 1):
            for note in one.get("/Annots", []):
                address = str(note.get_object().get("/A", {}).get("/URI", "https://"))
                if not re.fullmatch(r"https://\S*", address):
                    yield f"{path}: page {number}: link to {address}"


def expected_values() -> Iterator[str]:
    """The answer in the README and the table of figures in the docs hold the values of these results."""
    from paper import blocks, expected

    for place in blocks.outdated(expected.texts()):
        yield f"{place} is of other results: python -m paper.expected fills it"


def recorded_tables() -> Iterator[str]:
    """The kept tables of recorded data sets are those of the results at hand."""
    from paper.recorded import keep

    yield from keep.outdated()


def crate() -> Iterator[str]:
    """The RO-Crate is that of the lock file."""
    from analysis.tools import crate as described

    before = described.OUTPUT.read_bytes() if described.OUTPUT.is_file() else None
    described.write_crate()
    if before is not None and described.OUTPUT.read_bytes() != before:
        yield f"{described.OUTPUT} was of another dvc.lock; it is written anew"


CHECKS = (status, numerics, pdf, again, paths_of_this_machine, links, expected_values, recorded_tables, crate)


def main() -> None:
    """Run all checks, or stages again (``--again STAGE...``); exit with what is wrong."""
    if sys.argv[1:2] == ["--again"]:
        wrong = list(run_again(sys.argv[2:]))
        sys.exit("\n".join(wrong) if wrong else print("every output has the recorded bytes again"))
    wrong = []
    for check in CHECKS:
        start = time.monotonic()
        found = list(check())
        words = check.__doc__.strip().rstrip(".")
        print(f"{'FAILED' if found else 'ok':6} {words} ({time.monotonic() - start:.1f} s)", flush=True)
        wrong += found
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
