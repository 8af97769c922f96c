"""The report's flaws: trial join, face labels, selection on test images, recordings confounded with labels."""
