"""What a client error means for the process: try again, abort, rebuild the producer, or stop."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException


def kafka_error(error: BaseException) -> KafkaError | None:
    """The client's error inside an exception.

    A fatal error that meets a pending delivery callback surfaces as `SystemError` with the real one as its cause.
    """
    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        return error.args[0]
    return kafka_error(error.__cause__) if error.__cause__ is not None else None


def is_fatal(error: BaseException) -> bool:
    """Whether the client object is of no more use. `_FATAL` itself does not say so of itself."""
    found = kafka_error(error)
    return found is None or found.fatal() or found.code() in (KafkaError._FATAL, KafkaError._FENCED)


#: Time ran out, or a coordinator is moving or starting; outside transactions the client does not call these retriable.
_PASSING = (
    KafkaError._TIMED_OUT,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)


def is_retriable(error: BaseException) -> bool:
    """Whether the same call may be made again."""
    found = kafka_error(error)
    return found is not None and not found.fatal() and (found.retriable() or found.code() in _PASSING)


def explain(error: BaseException) -> str:
    """Name and text of the client's error."""
    found = kafka_error(error)
    return f"{found.name()}: {found.str()}" if found is not None else f"{type(error).__name__}: {error}"
