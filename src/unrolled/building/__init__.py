"""A config becomes objects: network, data, and the instantiation of `_target_` nodes."""
