"""Resolve the dependencies of ``pyproject.toml`` with uv into the four locks that pip installs hash-checked.

Run by ``nox -s lock`` in an environment with uv and pip. All groups are resolved at once, and versions that are locked
stay unless uv is told to upgrade them, so that the tests see the pipeline's packages and results keep their bits.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GROUPS = ["--group=test", "--group=docs", "--group=benchmarks"]
COMPILE = ["uv", "pip", "compile", "--quiet", "--universal", "--fork-strategy=fewest", "--generate-hashes"]
LAYOUT = ["--no-annotate", "--no-header", "--no-emit-index-url"]

OF_FLAVOUR = re.compile(r"(torch|triton|nvidia-(?!ml-py)|cuda-|setuptools)[\w-]*==")
"""Packages of the CUDA build of torch, and setuptools, which builds what comes as source and so is installed first."""


def main(python: str, cpu_index: str, *options: str) -> None:
    """Resolve everything, then the runtime alone, and write the locks.

    Parameters
    ----------
    python : str
        Version of Python that the locks are for, as ``3.11``; later ones are provided for.
    cpu_index : str
        Address of the index that has the CPU build of torch.
    *options : str
        Passed to uv, as ``--upgrade`` or ``--upgrade-package=NAME``.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "all.lock")
        # uv keeps the versions that it finds in its output file.
        path.write_text("".join(lock(part).read_text() for part in ("", "-cuda", "-test")))
        everything = resolve(path, f"--python-version={python}", *GROUPS, *options)
        runtime = resolve(path, f"--python-version={python}")
        torch = next(entry.split()[0] for entry in runtime if entry.startswith("torch=="))
        digest = wheel_digest(f"{torch}+cpu", python, cpu_index, Path(folder, "report.json"))
    flavour = [entry for entry in runtime if OF_FLAVOUR.match(entry)]
    setuptools = [entry for entry in flavour if entry.startswith("setuptools==")]
    cpu = [*setuptools, f"{torch}+cpu \\\n    --hash=sha256:{digest}"]
    write("", "The pipeline's packages, but for those of a flavour.", without(flavour, runtime))
    write("-cuda", "The CUDA flavour, installed first: torch, and setuptools to build sources with.", flavour)
    write(
        "-cpu",
        "The CPU flavour, installed first: torch, and setuptools to build sources with. PyPI lacks that torch:\n"
        f"# where pip does not find it, add PyTorch's own index for this file alone: --extra-index-url {cpu_index}",
        cpu,
    )
    write("-test", "What tests, documentation and benchmarks need beside.", without(runtime, everything))


def without(some: list[str], entries: list[str]) -> list[str]:
    """Return the entries that are not among some, in order."""
    return [entry for entry in entries if entry not in some]


def lock(part: str) -> Path:
    """Return the path of a lock."""
    return ROOT / f"requirements{part}.lock"


def resolve(path: Path, *options: str) -> list[str]:
    """Resolve into a file, from the versions that it has; return one text per package, with its hashes."""
    command = [*COMPILE, *LAYOUT, *options, "pyproject.toml", f"--output-file={path}"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return re.split(r"\n(?=\S)", path.read_text().strip())


def wheel_digest(requirement: str, python: str, index: str, report: Path) -> str:
    """Return the SHA-256 of a wheel for this system, which pip finds in its own indexes or another."""
    options = ["--dry-run", "--no-deps", f"--python-version={python}", "--only-binary=:all:", "--target=unused"]
    places = ["--extra-index-url", index, "--retries=1", f"--report={report}"]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *options, *places, requirement], check=True)
    [wheel] = json.loads(report.read_text())["install"]
    return wheel["download_info"]["archive_info"]["hashes"]["sha256"]


def write(part: str, purpose: str, entries: list[str]) -> None:
    """Write one lock with a header that says what it is and how it is renewed."""
    header = f"# {purpose}\n# Made by `nox -s lock` from pyproject.toml; install with pip's --require-hashes.\n"
    lock(part).write_text(header + "\n".join(entries) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
