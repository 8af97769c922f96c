"""Images and annotations: the split archive to padded pixels, categories, labels and splits."""
