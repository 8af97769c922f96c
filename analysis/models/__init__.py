"""Models: from images to trained networks, and from networks to the activations of their layers."""
