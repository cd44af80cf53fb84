"""Where a network looked: attribution maps for chosen layers and classes."""
