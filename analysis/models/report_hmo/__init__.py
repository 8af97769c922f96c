"""The report's HMO: a random search of small CNNs, stacked."""
