"""A trained model that reads its sequences step by step."""
