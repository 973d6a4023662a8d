"""Teaching a bundle a category with some dozen labels; its graphs stay as they are."""
