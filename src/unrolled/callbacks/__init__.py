"""Callbacks: what happens around training without being part of the model."""
