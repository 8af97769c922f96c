"""Hold what this machine computes against what other machines compute.

Run by ``nox -s portable``, in four parts:

- ``kernels``: each kernel that the pipeline relies on (`tests.portable.kernels`), against ``expected.txt``;
- ``emulated``: the same under emulated processors (QEMU's user-mode emulator; Debian's package qemu-user);
- ``circumstances``: the tiny experiment built twice, once in odd circumstances (`tests.portable.circumstances`);
- ``stages``: each stage of the tiny experiment under an emulated processor, from the outputs of the build before.

The first takes seconds, the second minutes for each processor, the third minutes, the last hours.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fixture import twice
from tests.portable import circumstances, emulated

EXPECTED = Path(__file__).with_name("expected.txt")
KERNELS = ["-m", "tests.portable.kernels"]
PARTS = ("kernels", "emulated", "circumstances", "stages")


def expected() -> dict[str, str]:
    """Return the digest that each kernel is to have."""
    return parsed(EXPECTED.read_text(encoding="utf-8"))


def parsed(text: str) -> dict[str, str]:
    """Return the digests in lines of name, tab, digest."""
    return dict(line.split("\t") for line in text.splitlines())


def kernels(python: list[str], **variables: str) -> dict[str, str]:
    """Compute the kernels in a process of its own; exit with the end of what it said if it fails."""
    told = subprocess.run(
        [*python, *KERNELS], cwd=twice.ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if told.returncode:
        sys.exit(f"portable: the kernels end with status {told.returncode}: {told.stderr[-2000:]}")
    return parsed(told.stdout)


def different(found: dict[str, str], judged: set[str] | None = None) -> list[str]:
    """Return the names of kernels whose digests are not the expected ones; only of those `judged`, if given."""
    wanted = expected()
    names = found.keys() | wanted.keys() if judged is None else judged
    return sorted(name for name in names if found.get(name) != wanted.get(name))


def check_kernels() -> list[str]:
    """Compare the kernels of this processor."""
    found = kernels([sys.executable])
    wrong = different(found)
    print(f"portable: {len(found) - len(wrong)} of {len(found)} kernels as expected on this processor", flush=True)
    return [f"on this processor other bits: {name}" for name in wrong]


def check_emulated(emulator: emulated.Emulator, processors: list[str]) -> list[str]:
    """Compare the kernels of emulated processors."""
    wrong = []
    judged = expected().keys() - set(emulator.misjudges())
    for name in emulator.misjudges():
        print(f"portable: not judged, as QEMU before {emulated.GATHER_WORKS[0]} misreads gathers: {name}")
    for processor in processors:
        bad = different(kernels(emulator.command(processor)), judged)
        print(f"portable: {len(judged) - len(bad)} of {len(judged)} kernels as expected on {processor}", flush=True)
        wrong += [f"on {processor} other bits: {name}" for name in bad]
    return wrong


def check_stages(emulator: emulated.Emulator, processor: str, project: Path, only: list[str] | None) -> list[str]:
    """Compare the outputs of stages under an emulated processor."""
    wrong, judged = [], 0
    command = emulator.command(processor)
    for found in emulated.run(project, project.with_name(processor), command, only):
        words = found.failure or (f"{len(found.changed)} differ" if found.changed else "equal")
        told = f"{found.stage} on {processor}: {found.same} files equal; {words} ({found.seconds:.0f} s)"
        print(f"portable: {told}", flush=True)
        judged += found.same
        wrong += [f"{found.stage} on {processor}: {found.failure}"] if found.failure else []
        wrong += [f"{found.stage} on {processor} writes other bytes: {path}" for path in found.changed]
    print(f"portable: {judged} files equal on {processor}")
    return wrong


def main() -> None:
    """Run the parts; exit with what differs."""
    options = parse()
    parts = options.only or PARTS
    emulator = emulated.find(options.emulator)
    wrong = check_kernels() if "kernels" in parts else []
    if emulator is None and {"emulated", "stages"} & set(parts):
        print(f"portable: skipped, as there is no {options.emulator or emulated.EMULATOR}: emulated, stages")
    if "emulated" in parts and emulator:
        wrong += check_emulated(emulator, options.processor)
    if "circumstances" in parts or ("stages" in parts and emulator):
        with tempfile.TemporaryDirectory() as folder:
            first, second = Path(folder, "a"), Path(folder, circumstances.FOLDER)
            odd = "circumstances" in parts
            for project in [first, second] if odd else [first]:
                project.mkdir()
            twice.build([first, second] if odd else [first], circumstances.NAMES if odd else ())
            if odd:
                wrong += twice.differences(first, second)
            if "stages" in parts and emulator:
                for processor in options.processor:
                    wrong += check_stages(emulator, processor, first, options.stage)
    if wrong:
        sys.exit("\n".join(["portable: this is not what other machines compute:", *wrong]))


def parse() -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="nox -s portable --", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="a part to run; all if left out")
    parser.add_argument("--emulator", help=f"emulator, if not {emulated.EMULATOR} on the search path")
    parser.add_argument(
        "--processor", action="append", help=f"as QEMU names it (default: {' and '.join(emulated.PROCESSORS)})"
    )
    parser.add_argument("--stage", action="append", help="stage to run under the emulator, such as train or train@hmo")
    options = parser.parse_args()
    options.processor = options.processor or list(emulated.PROCESSORS)
    return options


if __name__ == "__main__":
    main()
