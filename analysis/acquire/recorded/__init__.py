"""Data sets recorded at steady gaze: one module per source, all writing the same layout to data/raw."""
