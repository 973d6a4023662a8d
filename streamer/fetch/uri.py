"""URIs as they come with events: which kind, which parts, and what of them may be shown. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote, unquote, urlsplit

from streamer.errors import ForbiddenUriError
from streamer.fetch.addresses import IPAddress, canonical_host

_MAX_SHOWN = 200
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
# Legal in a path or query (RFC 3986, section 3.3), and the percent sign, since what comes is already quoted.
_LEGAL = "/?%:@!$&'()*+,;=-._~"


def redact(uri: str) -> str:
    """The URI without user name, password, query and fragment, printable and short. Takes any string.

    An absolute path stays whole: it has no such parts.
    """
    is_path = uri.startswith("/") and not uri.startswith("//")
    shown = uri if is_path else _without_secrets(uri)
    shown = _UNPRINTABLE.sub(lambda match: quote(match.group().encode("utf-8", "replace")), shown)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[: _MAX_SHOWN - 3]}..."


def _without_secrets(uri: str) -> str:
    shown = re.split(r"[?#]", uri, maxsplit=1)[0]
    head, slashes, rest = shown.partition("//")
    if slashes:
        authority, slash, path = rest.partition("/")
        return f"{head}//{authority.rpartition('@')[2]}{slash}{path}"
    return f"{head.partition(':')[0]}:..." if "@" in shown else shown


def scheme_of(uri: str) -> str:
    """The scheme in lower case; "file" for an absolute path; "" when there is none."""
    if uri.startswith("/"):
        return "file"
    match = _SCHEME.match(uri)
    return match.group(1).lower() if match else ""


def path_from_file_uri(uri: str) -> str:
    """The absolute path that a `file:` URI or an absolute path names.

    Raises:
        ForbiddenUriError: a host other than this one, a relative path, or a NUL in it (poison).
    """
    if uri.startswith("/"):
        path = uri
    else:
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise ForbiddenUriError(f"{redact(uri)}: a file of another host; expected file:///PATH")
        path = unquote(parts.path)
    if not path.startswith("/") or "\0" in path:
        raise ForbiddenUriError(f"{redact(uri)}: expected an absolute path without NUL, as in file:///PATH")
    return path


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http(s) URL taken apart once: the parts that are checked are the parts that are used."""

    scheme: str
    host: str | IPAddress
    port: int
    target: str

    @property
    def host_header(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else str(self.host)
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


_DEFAULT_PORTS = {"http": 80, "https": 443}


def web_url_from_uri(uri: str) -> WebUrl:
    """The parts of an http(s) URL, the host canonical.

    Raises:
        ForbiddenUriError: another scheme, user name or password, a host that is none, or characters that parsers
            read differently (poison).
    """
    # urlsplit drops tabs and line ends without a word, and some servers take a backslash for a slash.
    if _CONTROL.search(uri) or "\\" in uri:
        raise ForbiddenUriError(f"{redact(uri)}: control characters or backslashes; quote them as %XX")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ForbiddenUriError(f"{redact(uri)}: host or port cannot be read") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise ForbiddenUriError(f"{redact(uri)}: came scheme {parts.scheme!r}, expected https or http")
    if "@" in parts.netloc:
        raise ForbiddenUriError(f"{redact(uri)}: user name or password in the URL; sign the URL instead")
    if not host:
        raise ForbiddenUriError(f"{redact(uri)}: no host")
    canonical = canonical_host(host)
    if "[" in parts.netloc and not isinstance(canonical, IPv6Address):
        raise ForbiddenUriError(f"{redact(uri)}: came brackets, expected an IPv6 address in them")
    target = quote(parts.path or "/", safe=_LEGAL) + (f"?{quote(parts.query, safe=_LEGAL)}" if parts.query else "")
    return WebUrl(parts.scheme, canonical, _DEFAULT_PORTS[parts.scheme] if port is None else port, target)


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object in a bucket. The key is taken as it stands, without unquoting, as the providers' tools do."""

    bucket_url: str
    key: str
    version: str | None


def object_name_from_uri(uri: str) -> ObjectName:
    """`s3://bucket/key`, with `?versionId=` where a version is meant.

    Raises:
        ForbiddenUriError: no key, or another query (poison).
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    key, question, query = key.partition("?")
    name, _, version = query.partition("=")
    if not bucket or not key or (question and (name != "versionId" or not version)):
        raise ForbiddenUriError(f"{redact(uri)}: expected {scheme}://BUCKET/KEY or .../KEY?versionId=VERSION")
    return ObjectName(f"{scheme.lower()}://{bucket}", key, version or None)
