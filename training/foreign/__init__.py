"""What was trained elsewhere becomes a run: a model, predictions, a log, or what a program holds in memory."""
