"""Training: runs that train, resume and test, and the Trainer that they use."""
