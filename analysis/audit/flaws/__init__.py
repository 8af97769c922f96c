"""Single flaws of the report, each measured by itself: trial join, face labels, selection on test images, confounded recordings."""
