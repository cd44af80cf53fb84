"""Judge whether a map may be believed: measures, controls, and what follows from them."""
