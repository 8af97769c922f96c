"""Recorded data sets with steady gaze: one module per source, all writing one layout to data/raw."""
