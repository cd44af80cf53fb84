"""What is drawn of runs: curves, matrices, maps, pictures."""
