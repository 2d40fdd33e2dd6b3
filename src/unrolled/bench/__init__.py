"""`unrolled bench`: measures speed in interleaved pairs, each row next to a reference.

No other command imports this package.
"""
