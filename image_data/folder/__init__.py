"""Images in folders: listed, decoded by many workers, and cached."""
