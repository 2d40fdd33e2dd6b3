"""Builds objects from a config: the network, the data, and any node with `_target_`."""
