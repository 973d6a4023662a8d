"""A procedural world: short videos of which all is known, rendered to real H.264 + AAC files.

What there is to see and hear is in `things`, what is written about it in `words`, what is true of one clip in
`truth`; `picture` and `sound` make pixels and samples, `render` writes files. Equal seeds give equal worlds.
"""

from engines.data.world.render import render_clip, render_world
from engines.data.world.truth import TRUTH_FILE, Truth, draw_truth, draw_truths, read_truths

__all__ = ["TRUTH_FILE", "Truth", "draw_truth", "draw_truths", "read_truths", "render_clip", "render_world"]
