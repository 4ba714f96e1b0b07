"""Doors to outside systems: they translate and never decide."""
