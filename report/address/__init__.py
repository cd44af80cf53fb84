"""What is asked for, as it stands in an address."""
