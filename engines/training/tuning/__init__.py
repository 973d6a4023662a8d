"""Tuning: what is trained on top of frozen towers, over their stored features."""
