"""What engines can do on the GPU of this machine, beside torch on the same work."""
