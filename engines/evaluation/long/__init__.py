"""What becomes of verdicts when videos are long: test clips one after the other, judged as one video."""
