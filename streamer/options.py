"""The base of every owner's options: frozen, keyword-only, and a misspelt name is an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Options live in the file of the part they configure; `settings.py` alone fills them."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
