"""From the image archive and annotations to padded images, categories, labels and splits."""
