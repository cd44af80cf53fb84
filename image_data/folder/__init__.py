"""Load images from folders: list them, decode them by many workers, keep them in a cache."""
