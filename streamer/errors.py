"""Everything that can go wrong, as one tree: each class says what becomes of the event.

poison     the event can never succeed: a dead letter, or a verdict that says so
retryable  the same event may succeed later: the retry topic, with back-off
fatal      the process cannot go on: it stops without committing, and a supervisor starts it again
"""

from __future__ import annotations

from typing import ClassVar


class EarshotError(Exception):
    """Root of the tree. `reason` is a stable code for headers, metrics and scripts; the text is for people."""

    reason: ClassVar[str] = "error"


class PoisonError(EarshotError):
    """Raised when trying again cannot help."""


class RetryableError(EarshotError):
    """Raised when a later try may succeed. `counts`: whether this was one of the tries that an event has."""

    counts: ClassVar[bool] = True


class FatalError(EarshotError):
    """Raised when the process has to stop."""


class MalformedEventError(PoisonError):
    """Raised when a message is not an event of the contract."""

    reason = "malformed_event"


class ForbiddenUriError(PoisonError):
    """Raised when a URI points where Earshot must not go."""

    reason = "forbidden_uri"


class MissingObjectError(PoisonError):
    """Raised when the store says that there is no such object."""

    reason = "missing_object"


class AccessDeniedError(PoisonError):
    """Raised when the store refuses our credentials or a signed link has run out."""

    reason = "access_denied"


class TooLargeError(PoisonError):
    """Raised when an object is larger than the limit."""

    reason = "too_large"


class ContentMismatchError(PoisonError):
    """Raised when size or sha256 differ from what the event declared."""

    reason = "content_mismatch"


class UndecodableError(PoisonError):
    """Raised when media cannot be turned into a clip; `code` says why. Becomes a verdict, not a dead letter."""

    reason = "undecodable"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FetchFailedError(RetryableError):
    """Raised when a store or the network fails for now."""

    reason = "fetch_failed"


class SpoolFullError(RetryableError):
    """Raised when there is no room for a video on the spool disk."""

    reason = "spool_full"


class EngineFailedError(RetryableError):
    """Raised when an engine fails on a batch."""

    reason = "engine_failed"


class EnginesRestingError(RetryableError):
    """Raised for an event that nobody judged, or only as a trial, because engines have failed too often."""

    reason = "engines_resting"
    counts = False


class SandboxFailedError(RetryableError):
    """Raised when the sandbox itself, not the media in it, fails."""

    reason = "sandbox_failed"


class InternalError(RetryableError):
    """Raised when Earshot itself is at fault: tried again, and a dead letter when it stays."""

    reason = "internal_error"


class SettingsError(FatalError):
    """Raised when configuration or arguments cannot be used."""

    reason = "bad_settings"


class EnginesLostError(FatalError):
    """Raised when engines fail for good, or can only be mended by starting the process again."""

    reason = "engines_lost"


class BrokerError(FatalError):
    """Raised when Kafka cannot be used any further by this process."""

    reason = "broker_failed"


class PublishFailedError(RetryableError):
    """Raised when outputs and offsets did not reach Kafka; the same prefix is published again."""

    reason = "publish_failed"
