"""The default data: a simulated experiment in the published layout, with known ground truth."""
