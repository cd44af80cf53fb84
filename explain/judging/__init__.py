"""Judge whether a map may be believed: measures, controls, and the verdicts that follow from them."""
