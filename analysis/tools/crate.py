"""Describe the results as an RO-Crate: each file, its hash, and the stage and inputs that produced it.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) is JSON-LD that archives and registries read. Its content comes from
``dvc.lock``, ``dvc.yaml`` and ``CITATION.cff``.
"""

import mimetypes
from pathlib import Path

from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from analysis.core.errors import DataError
from analysis.core.files import write_json
from analysis.run import read_yaml

OUTPUT = Path("ro-crate-metadata.json")
LICENCES = {"MIT": "https://spdx.org/licenses/MIT", "CC-BY-4.0": "https://spdx.org/licenses/CC-BY-4.0"}
TYPES = {".nc": "application/x-netcdf", ".npy": "application/octet-stream", ".safetensors": "application/octet-stream"}
PUBLISHED = "2026-01-01"
"""Date of the crate, fixed as in the paper, because the same results must give the same bytes."""


def write_crate() -> int:
    """Write ``ro-crate-metadata.json``; return the number of its entities.

    Raises `DataError` if a source is missing or damaged, or a file listed in ``dvc.lock`` is missing.
    """
    names = ("dvc.lock", "dvc.yaml", "CITATION.cff")
    contents = [read_yaml(Path(name)) for name in names]
    try:
        described = crate_of(*contents)
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(f"one of {', '.join(names)} is damaged (no {error}): restore it (git checkout)") from error
    if lost := [entity.id for entity in described.data_entities if not Path(entity.id).exists()]:
        raise DataError(
            f"{', '.join(lost[:5])} not found: run dvc repro or dvc checkout to restore the outputs listed in dvc.lock"
        )
    metadata = described.metadata.generate()
    write_json(OUTPUT, metadata)
    return len(metadata["@graph"])


def crate_of(lock: dict, pipeline: dict, citation: dict) -> ROCrate:
    """Return the crate, from the contents of ``dvc.lock``, ``dvc.yaml`` and ``CITATION.cff``."""
    crate = ROCrate(version="1.1")
    crate.name, crate.description = citation["title"], citation["abstract"].strip()
    crate.datePublished = PUBLISHED
    crate.keywords = ", ".join(citation["keywords"])
    licences = {key: _add(crate, url, "CreativeWork", name=key) for key, url in LICENCES.items()}
    crate.license = licences["CC-BY-4.0"]
    contributors = _add(crate, "#contributors", "Organization", name=citation["authors"][0]["name"])
    crate.root_dataset["author"] = [contributors]
    cited = [source for source in citation["references"] if "doi" in source]
    crate.root_dataset["citation"] = [
        _add(crate, f"https://doi.org/{source['doi']}", "CreativeWork", name=source["title"]) for source in cited
    ]
    crate.add_file(dest_path="dvc.lock", properties={"name": "Hashes of the inputs and outputs of every stage"})
    crate.add_file(dest_path="params.yaml", properties={"name": "Every value that changes a result"})
    files = {path: _add_output(crate, entry) for path, entry in sorted(_files(lock).items())}
    about = {"name": "DVC", "url": "https://dvc.org", "softwareVersion": "3"}
    dvc = _add(crate, "#dvc", "SoftwareApplication", **about)
    actions = [_add_run(crate, dvc, name, stage, pipeline, files) for name, stage in lock["stages"].items()]
    crate.root_dataset["mentions"] = actions
    return crate


def _add(crate: ROCrate, identifier: str, kind: str, **properties) -> ContextEntity:
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))


def _files(lock: dict) -> dict[str, dict]:
    """Return the entries of all outputs, and of the inputs that do not overlap with an output, by path."""
    outputs = {out["path"]: out for stage in lock["stages"].values() for out in stage.get("outs", [])}
    inputs = {dep["path"]: dep for stage in lock["stages"].values() for dep in stage.get("deps", [])}
    code = {path: entry for path, entry in inputs.items() if not any(_overlap(path, output) for output in outputs)}
    return code | outputs


def _overlap(path: str, other: str) -> bool:
    """Return whether two paths are the same, or one lies within the other."""
    one, two = path.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(two) or two.startswith(one)


def _add_output(crate: ROCrate, entry: dict):
    """Add a file or folder of the lock file with its size and MD5 (for a folder, DVC's hash of its file list)."""
    path, properties = entry["path"], {"name": entry["path"], "contentSize": str(entry["size"])}
    properties["identifier"] = f"md5:{entry['md5']}"
    if entry["md5"].endswith(".dir"):
        return crate.add_dataset(dest_path=path, properties=properties)
    suffix = Path(path).suffix
    properties["encodingFormat"] = TYPES.get(suffix) or mimetypes.types_map.get(suffix, "text/plain")
    return crate.add_file(dest_path=path, properties=properties)


def _add_run(crate: ROCrate, dvc: ContextEntity, name: str, stage: dict, pipeline: dict, files: dict):
    """Add the run of one stage: its command, what it read and what it wrote."""
    read = [dep["path"] for dep in stage.get("deps", [])]  # may be a folder of several outputs, or part of an output
    written = [out["path"] for out in stage.get("outs", [])]
    used = [path for path in files if any(_overlap(path, dep) for dep in read) and path not in written]
    command = f"{pipeline['stages'][name.split('@')[0]]['desc']} Command: {stage['cmd']}"
    return crate.add_action(
        dvc,
        f"#stage-{name}",
        object=[files[path] for path in used],
        result=[files[path] for path in written],
        properties={"name": name, "description": command},
    )
