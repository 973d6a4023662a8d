"""Labels: what people say of videos. Asked for, taken in from files of others, checked, and brought to one value each.

A label is a record of the stream, as a verdict is, so all of this knows records and nothing that trains; what trains
reads the file that `earshot label merge` writes.
"""
