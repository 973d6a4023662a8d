"""What may be fetched, how much of it, how slowly, and where it is kept meanwhile."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from streamer.options import Options

_MEBIBYTE = 1 << 20


class BucketOptions(Options):
    """A bucket that may be read.

    url: `s3://BUCKET`, `gs://BUCKET` or `az://CONTAINER`.
    config: settings of obstore for that store, such as `endpoint`, `region`, `access_key_id`, `account_name`;
        what is missing comes from the provider's usual environment variables or the machine's role.
    """

    url: str = Field(pattern=r"^(s3|gs|az)://[a-z0-9][a-z0-9._-]{1,62}$")
    config: dict[str, SecretStr] = Field(default_factory=dict)


class FetchOptions(Options):
    """Limits of fetching. The defaults let in public https and nothing else.

    file_roots: directories under which files may be read.
    http_hosts: host names that may be asked; `*` stands for all, `*.example.com` for all below.
    http_ports: ports that may be connected to. allow_http: plain http beside https.
    trusted_networks: networks that may be connected to although they are not public.
    ca_file: certificates to trust instead of the system's.
    max_bytes: largest object. spool_max_bytes: of all objects of this process at one time.
    connect_seconds: name, connection and TLS. first_byte_seconds: request and headers.
    min_bytes_per_second: slowest body, looked at over `rate_window_seconds`.
    spool_dir: where objects are kept meanwhile; None is a directory of ours under the system's temporary one.
    """

    file_roots: tuple[Path, ...] = ()
    http_hosts: tuple[str, ...] = ("*",)
    http_ports: tuple[int, ...] = (80, 443)
    allow_http: bool = False
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ca_file: Path | None = None
    max_redirects: int = Field(default=3, ge=0, le=10)
    buckets: tuple[BucketOptions, ...] = ()
    max_bytes: int = Field(default=512 * _MEBIBYTE, gt=0)
    connect_seconds: float = Field(default=3.0, gt=0)
    first_byte_seconds: float = Field(default=5.0, gt=0)
    min_bytes_per_second: int = Field(default=64 * 1024, gt=0)
    rate_window_seconds: float = Field(default=5.0, gt=0)
    spool_dir: Path | None = None
    spool_max_bytes: int = Field(default=4096 * _MEBIBYTE, gt=0)

    @field_validator("file_roots")
    @classmethod
    def _absolute(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        for root in roots:
            if not root.is_absolute():
                raise ValueError(f"file_roots: came {str(root)!r}, expected absolute directories")
        return roots

    @field_validator("http_hosts")
    @classmethod
    def _lower(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in hosts)

    @model_validator(mode="after")
    def _one_object_fits(self) -> Self:
        if self.spool_max_bytes < self.max_bytes:
            raise ValueError(
                f"spool_max_bytes: came {self.spool_max_bytes}, expected max_bytes ({self.max_bytes}) or more; "
                "else the largest object could never be fetched"
            )
        return self
