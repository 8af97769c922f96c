"""The results as an RO-Crate: what each file is, which stage made it from what, and its hash.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) is JSON-LD that archives and registries read. All of it comes from
``dvc.lock``, ``dvc.yaml`` and ``CITATION.cff``.
"""

import mimetypes
from pathlib import Path

import yaml

from analysis.core.errors import DataError
from analysis.core.files import write_json

OUTPUT = Path("ro-crate-metadata.json")
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
LICENCES = {"MIT": "https://spdx.org/licenses/MIT", "CC-BY-4.0": "https://spdx.org/licenses/CC-BY-4.0"}
TYPES = {".nc": "application/x-netcdf", ".npy": "application/octet-stream", ".safetensors": "application/octet-stream"}
PUBLISHED = "2026-01-01"
"""Date of the crate: the one that the paper carries, since the same results must give the same bytes."""


def write_crate() -> int:
    """Write ``ro-crate-metadata.json``; return the number of its entities.

    Raises
    ------
    DataError
        If ``dvc.lock`` is missing or a file that it names is not there.
    """
    entities = entities_of(_yaml(Path("dvc.lock")), _yaml(Path("dvc.yaml")), _yaml(Path("CITATION.cff")))
    data = [one["@id"] for one in entities if one["@type"] in ("File", "Dataset") and one["@id"] != "./"]
    if lost := [name for name in data if not Path(name).exists()]:
        raise DataError(f"{', '.join(lost[:5])} not found: dvc repro (or dvc checkout) brings what dvc.lock names")
    write_json(OUTPUT, {"@context": CONTEXT, "@graph": entities})
    return len(entities)


def entities_of(lock: dict, pipeline: dict, citation: dict) -> list[dict]:
    """Return the entities of the crate.

    Parameters
    ----------
    lock, pipeline, citation : dict
        The contents of ``dvc.lock``, ``dvc.yaml`` and ``CITATION.cff``.
    """
    outputs = {out["path"]: out for stage in lock["stages"].values() for out in stage.get("outs", [])}
    code = {
        dep["path"]: dep
        for stage in lock["stages"].values()
        for dep in stage.get("deps", [])
        if not any(_meets(dep["path"], out) for out in outputs)
    }
    files = [_file(entry) for _, entry in sorted((code | outputs).items())]
    actions = [_action(name, stage, pipeline, files) for name, stage in lock["stages"].items()]
    about = citation["references"]
    return [
        {
            "@id": str(OUTPUT),
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": citation["title"],
            "description": citation["abstract"].strip(),
            "datePublished": PUBLISHED,
            "license": {"@id": LICENCES["CC-BY-4.0"]},
            "author": [{"@id": "#contributors"}],
            "keywords": ", ".join(citation["keywords"]),
            "hasPart": [{"@id": one["@id"]} for one in files] + [{"@id": "dvc.lock"}, {"@id": "params.yaml"}],
            "mentions": [{"@id": one["@id"]} for one in actions],
            "citation": [{"@id": _doi(one)} for one in about if "doi" in one],
        },
        {"@id": "#contributors", "@type": "Organization", "name": citation["authors"][0]["name"]},
        {
            "@id": "#dvc",
            "@type": "SoftwareApplication",
            "name": "DVC",
            "url": "https://dvc.org",
            "softwareVersion": "3",
        },
        {"@id": "dvc.lock", "@type": "File", "name": "Hashes of the inputs and outputs of every stage"},
        {"@id": "params.yaml", "@type": "File", "name": "Every value that changes a result"},
        *({"@id": address, "@type": "CreativeWork", "name": name} for name, address in LICENCES.items()),
        *({"@id": _doi(one), "@type": "CreativeWork", "name": one["title"]} for one in about if "doi" in one),
        *files,
        *actions,
    ]


def _meets(path: str, other: str) -> bool:
    """Say whether two paths are the same, or one lies within the other."""
    one, two = path.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(two) or two.startswith(one)


def _id(path: str, is_folder: bool) -> str:
    return path.rstrip("/") + "/" if is_folder else path


def _is_folder(entry: dict) -> bool:
    return entry["md5"].endswith(".dir")


def _file(entry: dict) -> dict:
    """Return a file or folder of the lock file with its size and MD5 (of a folder: DVC's, over its list of files)."""
    folder = _is_folder(entry)
    described = {
        "@id": _id(entry["path"], folder),
        "@type": "Dataset" if folder else "File",
        "name": entry["path"],
        "contentSize": str(entry["size"]),
        "identifier": f"md5:{entry['md5']}",
    }
    if not folder:
        suffix = Path(entry["path"]).suffix
        described["encodingFormat"] = TYPES.get(suffix) or mimetypes.types_map.get(suffix, "text/plain")
    return described


def _action(name: str, stage: dict, pipeline: dict, files: list[dict]) -> dict:
    """Return the run of one stage: its command, what it read and what it made."""
    read = [dep["path"] for dep in stage.get("deps", [])]  # perhaps a folder around several outputs, or a part of one
    made = [_id(out["path"], _is_folder(out)) for out in stage.get("outs", [])]
    used = [one["@id"] for one in files if any(_meets(one["@id"], path) for path in read) and one["@id"] not in made]
    return {
        "@id": f"#stage-{name}",
        "@type": "CreateAction",
        "name": name,
        "description": f"{pipeline['stages'][name.split('@')[0]]['desc']} Command: {stage['cmd']}",
        "instrument": {"@id": "#dvc"},
        "object": [{"@id": path} for path in used],
        "result": [{"@id": path} for path in made],
    }


def _doi(reference: dict) -> str:
    return f"https://doi.org/{reference['doi']}"


def _yaml(path: Path) -> dict:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): run dvc repro in a clone of the project") from error
