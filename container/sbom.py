"""Write the software bill of materials of one flavour from its locks, as CycloneDX 1.6 JSON, and check it.

Run by ``nox -s sbom`` in an environment with cyclonedx-bom. The same locks give the same bytes.
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).resolve().parents[1]


def main(flavour: str, output: str) -> None:
    """Make the document from the locks, check it against the schema and against the locks, then write it."""
    locks = [(ROOT / name).read_text() for name in ("requirements.lock", f"requirements-{flavour}.lock")]
    command = [
        "cyclonedx-py",
        "requirements",
        "-",
        "--output-reproducible",
        "--pyproject",
        str(ROOT / "pyproject.toml"),
    ]
    made = subprocess.run(
        [*command, "--spec-version", "1.6", "--output-format", "JSON"],
        input="".join(locks),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(made.stdout):
        sys.exit(f"the document does not follow the schema: {error}")
    components = json.loads(made.stdout)["components"]
    listed = {f"{component['name']}=={component['version']}" for component in components}
    locked = {line.split()[0] for lock in locks for line in lock.splitlines() if line[:1].isalnum()}
    if listed != locked:
        sys.exit(f"not the packages of the locks: {', '.join(sorted(listed ^ locked))}")
    if bare := [component["name"] for component in components if not _hashes(component)]:
        sys.exit(f"packages without a hash: {', '.join(bare)}")
    Path(output).write_text(made.stdout)
    print(f"{output}: {len(components)} packages, valid CycloneDX 1.6")


def _hashes(component: dict) -> list[dict]:
    return [found for reference in component.get("externalReferences", []) for found in reference.get("hashes", [])]


if __name__ == "__main__":
    main(*sys.argv[1:])
