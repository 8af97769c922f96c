"""What every step knows about the images: the screen around them and the regions that count as faces."""

GREY = 128
"""Grey of the screen around an image, and of padding (8 bit)."""
FACE_CATEGORIES = frozenset({"face", "primate_face"})
"""Categories of regions that show a human or monkey face."""
