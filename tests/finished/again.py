"""Run stages once more from the inputs that ``dvc.lock`` records, in a temporary folder, and compare bytes.

DVC trusts its lock file: a result that was edited by hand and committed (``dvc commit -f``), or that other code made,
looks up to date. A stage that runs again does not lie.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from analysis.run import value_at

QUICK = ("stimuli", "recordings", "neural", "compare", "summary", "figures", "report")
"""Stages that take seconds: these run when none is named."""
PROJECT = ("analysis", "paper", "dvc.yaml", "params.yaml")


def run_again(names: list[str]) -> Iterator[str]:
    """Run stages and yield what differs from the recorded outputs, as lines.

    Parameters
    ----------
    names : list of str
        Stages (``compare``: all of its matrix) or single entries of the lock file (``compare@pixels``); none: `QUICK`.
    """
    locked = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]
    chosen = [entry for entry in locked if {entry, entry.split("@")[0]} & set(names or QUICK)]
    if unknown := [name for name in names if not any(name in (entry, entry.split("@")[0]) for entry in locked)]:
        yield f"dvc.lock has no stage {', '.join(unknown)}; it has {', '.join(locked)}"
    tracked = {}
    for out in (out for entry in locked.values() for out in entry["outs"]):
        tracked |= {f"{out['path']}/{path}".rstrip("/"): digest for path, digest in _recorded(out).items()}
    for entry in chosen:
        yield from (f"{entry}: {line}" for line in _differences(locked[entry], tracked))


def _differences(entry: dict, tracked: dict[str, str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            _lay_out(entry, folder, tracked)
        except LookupError as error:
            yield str(error)
            return
        command = shlex.split(entry["cmd"])
        environment = os.environ | {"NNN_STORE": str(folder / "store"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            yield f"cannot run again: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
            return
        for out in entry["outs"]:
            recorded, made = _recorded(out), _made(folder / out["path"])
            for path in sorted(recorded.keys() | made.keys()):
                if recorded.get(path) != made.get(path):
                    what = "is not made again" if path not in made else "differs when it is made again"
                    yield f"{Path(out['path'], path)} {what if path in recorded else 'is not recorded'}"


def _lay_out(entry: dict, folder: Path, tracked: dict[str, str]) -> None:
    """Copy the project to `folder`, and link the stage's inputs there from DVC's cache.

    Parameters
    ----------
    entry : dict
        Of the lock file.
    folder : Path
    tracked : dict
        MD5 of each recorded output of any stage, by its path.

    Raises
    ------
    LookupError
        If code, parameters or inputs are not those that the entry records, or an input is not in the cache.
    """
    for name in (*PROJECT, *(path.name for path in Path().glob("requirements*.lock"))):
        if Path(name).is_dir():
            skip = shutil.ignore_patterns("__pycache__", "figures", "*.pdf", "report.html", "claims.json")
            shutil.copytree(name, folder / name, ignore=skip)
        else:
            shutil.copy(name, folder / name)
    for dep in entry["deps"]:
        inputs = {path: digest for path, digest in tracked.items() if f"{path}/".startswith(f"{dep['path']}/")}
        files = {path[len(dep["path"]) + 1 :]: digest for path, digest in inputs.items()} or _made(folder / dep["path"])
        if _hash(files) != dep["md5"]:
            raise LookupError(f"{dep['path']} is not what dvc.lock records: dvc repro first")
        for path, digest in inputs.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(_cached(digest).resolve())
    values = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    for key, recorded in entry.get("params", {}).get("params.yaml", {}).items():
        if value_at(values, key) != recorded:
            raise LookupError(f"params.yaml: {key} is not what dvc.lock records: dvc repro first")


def _recorded(out: dict) -> dict[str, str]:
    """Return the MD5 of each file of a recorded output, by its path within it ("" for a single file)."""
    if not out["md5"].endswith(".dir"):
        return {"": out["md5"]}
    return {one["relpath"]: one["md5"] for one in json.loads(_cached(out["md5"]).read_text(encoding="utf-8"))}


def _hash(files: dict[str, str]) -> str:
    """Return the hash that DVC gives a file, or a folder of these files."""
    if set(files) == {""}:
        return files[""]
    listing = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    return hashlib.md5(json.dumps(listing).encode()).hexdigest() + ".dir"


def _made(path: Path) -> dict[str, str]:
    """Return the MD5 of each file below `path`, or of the one file that it is."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    kept = [one for one in files if "__pycache__" not in one.parts and one.name != ".gitignore"]
    return {"" if path.is_file() else one.relative_to(path).as_posix(): _md5(one) for one in kept}


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


@cache
def _cache() -> Path:
    found = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip(), "files", "md5")


def _place(digest: str) -> Path:
    return _cache() / digest[:2] / digest[2:]


def _cached(digest: str) -> Path:
    path = _place(digest)
    if not path.exists():
        raise LookupError(f"DVC's cache lacks {digest}: dvc fetch, or dvc repro")
    if not digest.endswith(".dir") and _md5(path) != digest:
        raise LookupError(f"DVC's cache is damaged: {path} has another hash than its name")
    return path


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    print("\n".join(run_again(sys.argv[2:])), end="")
