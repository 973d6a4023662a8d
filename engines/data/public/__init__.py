"""The composed benchmark: clips put together from public photos, sounds and titles, with labels of known truth."""
