"""What the results say: the numbers and the verdict of each claim of the paper, worked out once.

The stage ``figures`` writes ``paper/claims.json``; figures, text and page read the claims and test nothing themselves.
"""
