"""Where a model looks in an image, whether neurons follow, and what the model loses without its face channels."""
