"""The runs on offer, what is read from them, and the processes that make new ones."""
