"""The page: one HTML file that works offline, for readers who would rather look and try."""
