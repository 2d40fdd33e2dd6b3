"""Reads data sets from your own files: CSV, Parquet, NPZ and .ts."""
