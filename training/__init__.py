"""Train a classifier and write its run directory; imports everything of ours but the app."""
