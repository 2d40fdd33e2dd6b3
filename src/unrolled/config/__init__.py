"""Composing and checking configs, all of which works before torch is imported."""
