"""Data sets that ship with a library or are downloaded."""
