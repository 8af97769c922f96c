"""Put the data into data/raw: the simulated experiment, or the published files, pinned and verified."""
