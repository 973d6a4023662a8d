"""What verdicts are worth: outcomes of an online experiment, joined with its arms, judged while they still come in."""
