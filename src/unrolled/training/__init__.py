"""Train, resume and test; the Trainer and its parts."""
