"""The audit of one table of images x units: its filled cells, its blocks, and controls for its RDM correlations."""
