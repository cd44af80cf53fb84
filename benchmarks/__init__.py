"""One script a claim; each prints a table. RESULTS.md keeps what they printed, with machine and spread."""
