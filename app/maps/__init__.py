"""Maps on a page: what is asked, what is computed, and how it is drawn."""
