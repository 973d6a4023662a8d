"""Decoding of untrusted media in confined children: the host in the worker, the zygote it starts, the walls."""
