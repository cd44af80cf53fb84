"""The parts of a report: each reads what it shows, and knows nothing of the page around it."""
