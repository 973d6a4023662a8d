"""The models and what runs them."""
