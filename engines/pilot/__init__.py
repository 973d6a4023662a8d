"""What a few dozen labelled videos of one's own say about Earshot: pure statistics, with their uncertainty."""
