"""From results to figures to the report; the page alone also shows images, gaze and spikes of the data."""
