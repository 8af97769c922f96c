"""Network layers against visual areas: predictivity, RDMs, noise ceilings and their intervals."""
