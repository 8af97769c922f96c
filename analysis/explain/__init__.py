"""Where a model looks in an image, whether neurons follow it, and what the model's face units carry."""
