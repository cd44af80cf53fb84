"""Show where a network looked, and judge whether such a map may be believed."""
