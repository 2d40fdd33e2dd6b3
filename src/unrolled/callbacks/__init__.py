"""Callbacks: checkpoints, progress, guards and history of a run."""
