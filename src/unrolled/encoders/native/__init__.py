"""Loops over time in C++ for a CPU; see `model.kernel`."""
