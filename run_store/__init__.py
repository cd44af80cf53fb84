"""The run directory: the one contract between a training and the app (see docs/run-directory.md)."""
