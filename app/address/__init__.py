"""What is selected, and how the address bar keeps it."""
