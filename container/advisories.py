"""Look every package of one flavour's locks up in PyPI's database of advisories, through pip-audit.

Run by ``nox -s advisories`` in an environment with pip-audit. Nothing is installed; the locks are read. Status 1: there
are advisories. Status 2: the database could not be asked, which is no clean bill.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(flavour: str) -> None:
    """Run pip-audit on the locks and judge what it says."""
    locks = [(ROOT / f"requirements{part}.lock").read_text() for part in ("", f"-{flavour}", "-test")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.lock"
        # The database knows releases, not builds: torch 2.13.0+cpu is 2.13.0 there.
        path.write_text(re.sub(r"^(\w+==[\w.]+)\+\w+", r"\1", "".join(locks), flags=re.MULTILINE))
        command = ["pip-audit", "--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json"]
        told = subprocess.run([*command, "-r", str(path)], capture_output=True, text=True, check=False)
    status, lines = judge(told.stdout, told.stderr)
    print("\n".join(lines))
    sys.exit(status)


def judge(report: str, errors: str) -> tuple[int, list[str]]:
    """Return exit status and lines of text for what pip-audit printed."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        reason = (errors.strip().splitlines() or ["no output"])[-1]
        return 2, [f"the database of advisories could not be asked: {reason[:300]}", "run this with network access"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {advisory['id']}, "
        f"fixed in {', '.join(advisory['fix_versions']) or 'no release yet'}"
        for package in packages
        for advisory in package.get("vulns", [])
    ]
    lines = [f"{len(packages) - len(unknown)} of {len(packages)} packages looked up, {len(found)} advisories", *found]
    if unknown:
        lines.append(f"the database of advisories did not answer for {len(unknown)}, such as {', '.join(unknown[:3])}")
    return 1 if found else 2 if unknown else 0, lines


if __name__ == "__main__":
    main(*sys.argv[1:])
