"""One module per figure: ``draw(results, claims)`` returns the figure and a text for readers who cannot see it."""
