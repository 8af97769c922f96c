"""Spoil every file that a stage or command reads, one at a time, and demand one line that names it, or the same output.

Every output of every stage of a finished tiny experiment is cut, emptied, deleted, replaced by another kind of file,
and made valid but foreign (`tests.faults.spoil`); then each stage and command that reads it runs in a fork of this
process. Which files one reads is observed, not declared.

``python -m tests.faults.cut EXPERIMENT [STEPS [CASES]]`` spoils one file of each kind for one item of each matrix;
``--all`` every file and item. Regular expressions choose steps, and cases by their names ``step | file | spoiling``.
With ``--report``, a sweep that was interrupted goes on: cases that the file holds are not run again.
"""

import argparse
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.core import numerics
from tests.faults import sandbox
from tests.faults.reads import note_reads
from tests.faults.steps import Step, copy, steps

TIMEOUT_S, LATE_S = 300, 2.0
"""An error counts as late after so many seconds of CPU that are also more than half of those of an undisturbed run."""

GOOD = ("same", "named", "listed", "shown")
SHOWN = ("data/raw/", "data/stimuli/")
"""What the page of ``inspect --plot`` can do without: the panel says so."""
ADVICE = re.compile(r"\b(run|fetch|give|dvc|restores|write|writes|add|choose|correct)\b")


@dataclass(frozen=True)
class Outcome:
    """How a step ended: status, standard error, seconds of CPU, hashes of its outputs, lines of them and printed."""

    status: int
    stderr: str
    seconds: float
    outputs: dict[str, str]
    listed: frozenset[str]


def preload() -> None:
    """Load what the steps load, once for all forks of this process."""
    from analysis.run import STAGES

    more = ["torch", "xarray", "h5netcdf", "analysis.cli", "analysis.tools.page", "analysis.tools.crate"]
    for module in [*more, *(stage.module for stage in STAGES.values())]:
        importlib.import_module(module)


def prepare(experiment: Path, folder: Path) -> None:
    """Copy an experiment to `folder`, and run the stages of the recorded data set that is added there."""
    copy(experiment, folder)
    for step in steps(folder, every=True):
        if step.words[0] == "--dataset" and (outcome := run(step, folder)).status:
            sys.exit(f"{step.name} fails undisturbed: {outcome.stderr.strip()[-2000:]}")


def run(step: Step, folder: Path, log: Path | None = None) -> Outcome:
    """Run a step in `folder` in a fork of this process; note the files it opens in `log`."""
    for out in step.outs:
        path = folder / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    environment = {"NNN_STORE": str(folder / "store"), "NNN_WORKERS": "1", "DVC_NO_ANALYTICS": "1"}

    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:

        def program() -> None:
            os.environ.update(environment)
            os.chdir(folder)
            os.dup2(printed.fileno(), 1)
            if log is not None:
                note_reads(log, folder)
            sys.argv = ["analysis", *step.words]
            from analysis.__main__ import main

            main()

        status, stderr, seconds = _forked(program)
        printed.seek(0)
        texts = [printed.read()]
    outputs = _hashes(folder, step.outs)
    texts += [(folder / name).read_text(encoding="utf-8") for name in outputs if name.endswith((".csv", ".json"))]
    return Outcome(status, stderr, seconds, outputs, frozenset(line for text in texts for line in text.splitlines()))


def _hashes(folder: Path, outs: tuple[str, ...]) -> dict[str, str]:
    files = [
        path for out in outs for path in ([folder / out] if (folder / out).is_file() else (folder / out).rglob("*"))
    ]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if path.is_file()
    }


def _forked(program: Callable[[], None]) -> tuple[int, str, float]:
    """Return exit status, standard error and seconds of CPU of a function, run in a fork of this process."""
    with tempfile.TemporaryFile("w+b") as stderr:
        child = sandbox.fork(program, stderr.fileno())
        end = time.monotonic() + TIMEOUT_S
        while True:
            done, status, used = os.wait4(child, os.WNOHANG)
            if done:
                break
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.01)
        stderr.seek(0)
        text = stderr.read().decode(errors="replace")
        return os.waitstatus_to_exitcode(status), text, used.ru_utime + used.ru_stime


def judge(outcome: Outcome, usual: Outcome, path: str, command: tuple[str, ...] = ()) -> str:
    """Return how a step met a spoilt file.

    Good are ``same``: the usual outputs; ``named``: one line that names the file; ``listed``: outputs that name it,
    as the list of recordings that failed does; ``shown``: a page whose panel says what it lacks. All else says what is
    wrong.
    """
    lines = [line for line in outcome.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if outcome.status < 0:
        return f"killed by signal {-outcome.status}"
    if command[:1] == ("diff",) and outcome.status == 1 and not lines:  # it prints the files that differ
        return "listed" if any(path in line for line in outcome.listed - usual.listed) else "not named"
    if any("Traceback" in line for line in lines) or (outcome.status and len(errors) != 1):
        return "traceback"
    if outcome.status == 0:
        if outcome.outputs == usual.outputs:
            return "same"
        if "inspect" in command and path.startswith(SHOWN):
            return "shown"
        listed = any(Path(path).name in line for line in outcome.listed - usual.listed)
        return "listed" if listed else "other outputs without a word"
    if outcome.seconds > LATE_S and outcome.seconds > usual.seconds / 2 and _judge_line(errors[0], path) == "named":
        return "late"
    return _judge_line(errors[0], path)


def _judge_line(error: str, path: str) -> str:
    """Return whether an error names a file and says what to do."""
    if found := re.match(r"error: (recorded/\w+): ", error):  # the paths that follow are relative to this folder
        path = path.removeprefix(f"{found[1]}/")
    fewer = Path(path).suffix == ".nc" and f"{Path(path).parent} has " in error  # one recording fewer than listed
    fewer |= " images for responses to " in error
    if path not in error and not fewer:
        return "not named"
    return "named" if ADVICE.search(error.replace(path, "")) else "no advice"


def kind(path: str) -> str:
    """Return the kind of a file: its path without what distinguishes it from others of the kind."""
    for pattern, name in sandbox.KINDS:
        path = re.sub(pattern, name, path)
    return path


def cases(base: Path, read: dict[Step, list[str]], every: bool) -> Iterator[tuple[Step, str, str, Callable]]:
    """Yield step, file, spoiling and the function that spoils."""
    from tests.faults.spoil import spoilings  # late: it loads numpy, and numerics are fixed first

    for step, files in read.items():
        chosen = files if every else {kind(path): path for path in reversed(files)}.values()
        for path in sorted(chosen):
            for name, spoil in _few(spoilings(base / path), every).items():
                yield step, path, name, spoil


def _few(ways: dict[str, Callable], every: bool) -> dict[str, Callable]:
    """Return one spoiling of each sort (a missing column, a foreign type), unless all are wanted."""
    sorts: dict[str, str] = {}
    for name in ways:
        sort = re.match(r"no \w+|text in( column)?|another (kind|type|shape)|last \w+|.*", name)[0]
        sorts.setdefault(sort, name)
    return ways if every else {name: ways[name] for name in sorts.values()}


def sweep(experiment: Path, every: bool, chosen: str = "", pattern: str = "", report: Path | None = None) -> list[str]:
    """Run all cases; return those that failed, as lines, and print the counts."""
    preload()
    failed, counts = [], Counter()
    start = time.monotonic()
    done = _finished(report)
    with tempfile.TemporaryDirectory(prefix="cut-") as root:
        base = Path(root, "base")
        base.mkdir()
        prepare(experiment, base)
        usual, read = {}, {}
        for step in steps(base, every):
            if not re.match(chosen, step.name):
                continue
            folder, log = _linked(base, Path(root, "case")), Path(root, "reads")
            log.write_text("")
            usual[step] = run(step, folder, log)
            if usual[step].status and step.words[0] != "diff":
                failed.append(f"{step.name} fails undisturbed: {usual[step].stderr.strip()[-2000:]}")
            read[step] = sorted(
                {path for path in log.read_text().splitlines() if not path.startswith(step.outs or "\0")}
            )
            print(f"{step.name}: reads {len(read[step])} files, {usual[step].seconds:.1f} s", flush=True)
        files = set()
        for step, path, name, spoil in cases(base, read, every):
            case = f"{step.name} | {path} | {name}"
            if not re.search(pattern, case):
                continue
            if case not in done:
                done[case] = _tried(step, _linked(base, Path(root, "case")), path, spoil, usual[step])
                if report:
                    with report.open("a", encoding="utf-8") as out:
                        out.write(json.dumps([case, *done[case]]) + "\n")
            verdict, line = done[case]
            counts[verdict] += 1
            files.add(path)
            if verdict not in GOOD:
                failed.append(f"{verdict}: {case}: {line}")
    spent = f"{time.monotonic() - start:.0f} s"
    print(f"cut: {counts.total()} cases, {len(files)} files, {len(read)} steps, {spent}: {dict(counts)}")
    return failed


def _finished(report: Path | None) -> dict[str, list[str]]:
    """Return verdict and last line of the cases that a report holds."""
    lines = report.read_text(encoding="utf-8").splitlines() if report and report.exists() else []
    return {case: said for case, *said in map(json.loads, lines)}


def _tried(step: Step, folder: Path, path: str, spoil: Callable, usual: Outcome) -> tuple[str, str]:
    """Spoil a file in `folder` and run a step; return the verdict and the last line on standard error."""
    spoil(folder / path)
    before = stats(folder, step)
    outcome = run(step, folder)
    verdict = judge(outcome, usual, path, step.words)
    after = stats(folder, step)
    if changed := [name for name in sorted(before | after) if before.get(name) != after.get(name)]:
        verdict = f"changed {', '.join(changed)}"
    return verdict, ([one for one in outcome.stderr.splitlines() if one.strip()] or [""])[-1]


def stats(folder: Path, step: Step) -> dict[str, tuple[int, int, int]]:
    """Return what shows that a file changed, by name, for all but the outputs of a step, the store and hidden files."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith((*step.outs, "store/")) and "/." not in f"/{name}":
            stat = path.stat()
            found[name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
    return found


def _linked(base: Path, folder: Path) -> Path:
    """Return a fresh copy of `base` that shares its files."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder, copy_function=os.link)
    return folder


def main() -> None:
    """Sweep an experiment; exit with status 1 and a line per case that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("steps", nargs="?", default="", help="regular expression at the start of a step")
    parser.add_argument("cases", nargs="?", default="", help="regular expression within the name of a case")
    parser.add_argument("--all", action="store_true", dest="every")
    parser.add_argument("--report", type=Path, help="file for a JSON line per case")
    arguments = parser.parse_args()
    failed = sweep(arguments.experiment.resolve(), arguments.every, arguments.steps, arguments.cases, arguments.report)
    print("\n".join(failed))
    sys.exit(bool(failed))


if __name__ == "__main__":
    numerics.restart()
    main()
