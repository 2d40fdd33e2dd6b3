"""The user's own arrays and DataFrames, in memory."""
