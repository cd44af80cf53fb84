"""Show where a network looked: maps of any layers and classes, by the methods of one table."""
