"""Where in an image a model finds evidence for a face."""
