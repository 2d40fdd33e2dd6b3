"""What the network of a run remembers: measures over time, one module each."""
