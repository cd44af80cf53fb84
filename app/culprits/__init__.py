"""Which training images say so? Their tiles, what of them is alike, and how they are found."""
