"""Write files whole or not at all, protect inputs from being replaced, read HDF5, and hash files."""

from analysis.core.files.write import (
    as_json,
    atomic,
    copy,
    create_memmap,
    reserve,
    sha256,
    system_error,
    write_bytes,
    write_csv,
    write_error,
    write_figure,
    write_json,
    write_npy,
    write_text,
    writing,
)

__all__ = [
    "as_json",
    "atomic",
    "copy",
    "create_memmap",
    "reserve",
    "sha256",
    "system_error",
    "write_bytes",
    "write_csv",
    "write_error",
    "write_figure",
    "write_json",
    "write_npy",
    "write_text",
    "writing",
]
