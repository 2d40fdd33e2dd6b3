"""Data: a source and how it is cut into sequences, parts and batches."""
