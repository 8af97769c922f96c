"""Single flaws of the report: trial join, face labels, selection on test images, recordings confounded with labels."""
