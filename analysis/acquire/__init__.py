"""Bring the data to data/raw: the embedded experiment, or the published files, pinned and verified."""
