"""Retrain models from further seeds: how much their scores depend on random weights and searches."""
