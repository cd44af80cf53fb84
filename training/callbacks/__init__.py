"""What other libraries call while they train, so that their training becomes a run: imported where it is used."""
