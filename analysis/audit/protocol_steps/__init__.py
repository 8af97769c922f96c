"""The report's protocol, the corrected one and mixtures of them, scored on the same recordings and images."""
