"""From recordings and images to the comparison of network layers with visual areas, one folder per step."""
