"""Encoders: (b, t, d) -> (b, t, h). One file each; the file is the config option."""
