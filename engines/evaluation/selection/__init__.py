"""What choosing videos to label is worth: strategies against each other on pools whose labels are known."""
