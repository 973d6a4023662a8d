"""URI -> a local file of ours: object stores, http(s) and files, none of them trusted."""

from streamer.fetch.fetcher import Fetcher
from streamer.fetch.options import BucketOptions, FetchOptions
from streamer.fetch.uri import redact

__all__ = ["BucketOptions", "FetchOptions", "Fetcher", "redact"]
