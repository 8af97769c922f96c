"""Training: the stage, and one training loop for all networks."""
