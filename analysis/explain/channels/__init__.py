"""Face-selective channels of a model, and what is lost when they are silenced."""
