"""Where the weights of a bundle came from, and on what terms: the bundle's NOTICE."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One source of weights. `sha256` is of the file that they were taken from.

    text: what the licence asks to be kept beside them, such as a copyright line; empty where it asks for nothing.
    """

    name: str
    source: str
    licence: str
    sha256: str
    text: str = ""


def notice_text(bundle: str, notices: Sequence[Notice]) -> str:
    """The NOTICE of a bundle, for people."""
    parts = [f"The bundle {bundle} contains weights of others, in part changed (cut, rounded to 8 bits, trained on).\n"]
    for notice in notices:
        lines = [
            notice.name,
            f"  source:  {notice.source}",
            f"  licence: {notice.licence}",
            f"  sha256:  {notice.sha256}",
        ]
        lines += ["", *(f"  {line}".rstrip() for line in notice.text.strip().splitlines())] if notice.text else []
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)
