"""Published weights: a file pinned by its hash and read as tensors only."""

import importlib.util
from pathlib import Path

import torch
from torch import nn

from analysis.core import paths
from analysis.core.errors import DataError, unreadable
from analysis.core.files import sha256
from analysis.models.network import read_tensors, set_weights


def load_file(module: nn.Module, file: str, digest: str) -> None:
    """Load .safetensors or a state_dict into a module, without running any code that the file may contain.

    Parameters
    ----------
    module : torch module
    file : str
        Path, relative to the folder that holds params.yaml, or ``package:path`` inside an installed package.
    digest : str
        SHA-256 that the file must have.

    Raises
    ------
    DataError
        If the file is missing, has another hash, holds more than tensors, or does not fit the module.
    """
    path = path_of(file)
    if (found := sha256(path)) != digest:
        raise DataError(
            f"weights {file}: its SHA-256 is {found}, not {digest}; "
            "install or download it again, or correct weights.sha256 in params.yaml"
        )
    tensors = read_tensors(path)[0] if path.suffix == ".safetensors" else _state_dict(path, file)
    # Files older than this counter lack it; only training with a momentum of None reads it.
    counters = {name: value for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}
    set_weights(module, counters | tensors, f"weights {file} do not fit the module")


def path_of(file: str) -> Path:
    """Return the path of a weights file, which may lie inside an installed package (``package:path``).

    Raises `DataError` if there is no such file or package.
    """
    package, inside, rest = file.partition(":")
    path = paths.of_reader(file)
    if inside and not path.exists():
        found = importlib.util.find_spec(package)
        if found is None or not found.submodule_search_locations:
            raise DataError(f"weights {file}: package {package} is not installed")
        path = Path(next(iter(found.submodule_search_locations))) / rest
    if not path.is_file():
        raise DataError(f"weights {file}: no such file")
    return path


def _state_dict(path: Path, name: str) -> dict[str, torch.Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        refused = DataError(f"weights {name}: refused: not a plain state_dict ({reason}); save it as .safetensors")
        raise unreadable(path, error) or refused from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise DataError(f"weights {name}: not a state_dict; save module.state_dict(), or .safetensors")
    return found
