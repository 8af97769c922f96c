"""Attribution maps of a model, how well they localise faces, and whether they are faithful to the model."""
