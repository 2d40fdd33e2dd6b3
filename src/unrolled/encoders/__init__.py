"""Encoders: (b, t, d) -> (b, t, h). Each file is the config option `model=NAME`."""
