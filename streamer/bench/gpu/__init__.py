"""What a GPU is worth when it serves: the engine threads of production, with cases that need no decoding."""
