"""Which videos are worth a label: what is known of a pool, how the next batch is chosen from it, and when to stop."""
