"""Every step between the report's protocol and the corrected one, scored on the same recordings and images."""
