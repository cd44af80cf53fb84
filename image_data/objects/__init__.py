"""Data sets that are Python objects: of torch, torchvision, Hugging Face, arrays, or of a class of one's own."""
