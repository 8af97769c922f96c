"""Activations of trained models, layer by layer."""
