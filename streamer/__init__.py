"""The stream: one uploaded video in, three verdicts out."""

__version__ = "0.1.0"
