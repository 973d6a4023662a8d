"""What is remembered of videos and words: in this process, in Redis, sealed against forgery."""
