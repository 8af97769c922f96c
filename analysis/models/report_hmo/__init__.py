"""The report's HMO: stacked small CNNs, found by random search."""
