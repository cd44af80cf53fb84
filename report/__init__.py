"""The report of a run, one HTML file that opens anywhere; and what it shares with the dashboard."""
