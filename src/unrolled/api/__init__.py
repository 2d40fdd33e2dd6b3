"""The Python functions and classes that `unrolled` offers; see docs/python.md."""
