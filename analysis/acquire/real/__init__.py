"""The published files: pinned, fetched into the store, verified, linked into data/raw."""
