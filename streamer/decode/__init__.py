"""A file -> a `Clip`: the only room that imports `av`. `formats` alone is light, for the options and codes in it."""
