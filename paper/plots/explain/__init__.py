"""The explanations: maps, how well they point to faces, whether neurons follow them, and lesions."""
