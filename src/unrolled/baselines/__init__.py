"""Classifiers that need no training loop, with which a network is compared."""
