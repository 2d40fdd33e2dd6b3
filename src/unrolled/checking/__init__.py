"""The contract of a network, as functions that the tests, `unrolled check` and building share."""
