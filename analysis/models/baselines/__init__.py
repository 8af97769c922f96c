"""Models without a network: pixels, Gabor filters, the category ideal observer."""
