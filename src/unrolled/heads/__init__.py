"""Heads: (b, t, h) -> (b, c). Each file is the config option `head=NAME`."""
