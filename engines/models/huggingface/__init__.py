"""Towers from checkpoints in the format of `transformers`: SigLIP, SigLIP 2, CLIP, AST, CLAP and text encoders.

`open_checkpoint` finds and checks the files, `vision_tower`, `audio_tower` and `text_tower` build modules with the
inputs of a bundle's graphs, `tune` says what of them is trained. What the package does in its processors lies inside
the modules, so that it is exported with them.
"""
