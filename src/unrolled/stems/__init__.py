"""Stems: what a network does with a sequence before the recurrent encoder."""
