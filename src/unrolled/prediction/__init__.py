"""A trained run applied to new sequences."""
