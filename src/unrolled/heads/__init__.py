"""Heads: (b, t, h) -> (b, c). One file each; the file is the config option."""
