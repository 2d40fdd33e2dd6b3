"""The only reader and writer of a run folder."""
