"""The only reader of YAML and environment. Fills the options of every part, and says which value came from where.

Order, first wins: `EARSHOT_<SECTION>__<KEY>` in the environment, the YAML file, the defaults. Nothing is read from
the working directory by surprise, and a misspelt name is an error in the environment as in the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from streamer.admin import AdminOptions
from streamer.batch import BatchOptions
from streamer.brake import BrakeOptions
from streamer.cache.redis import CacheOptions
from streamer.decode.formats import DecodeOptions
from streamer.errors import SettingsError
from streamer.fetch import FetchOptions
from streamer.flow import FlowOptions
from streamer.kafka.options import KafkaOptions
from streamer.options import Options
from streamer.policy import PolicyOptions
from streamer.sandbox.host import SandboxOptions
from streamer.settle import RetryOptions
from streamer.worker import WorkerOptions

PREFIX = "EARSHOT_"

#: Variables that belong to tests and tools, not to the configuration.
_OTHER_VARIABLES = ("EARSHOT_DATA", "EARSHOT_CONFIG")
_OTHER_PREFIXES = ("EARSHOT_TEST_",)

_MIN_SECRET_CHARACTERS = 16

#: Values under these names may hold a password and are not repeated in errors.
_PRIVATE = re.compile(r"secret|password|url|config|client")


class EngineOptions(Options):
    """What runs the graphs, and with what."""

    bundle: str = "starter"
    #: "ort": ONNX Runtime on the CPU, "ort-cuda": the same on a GPU, "trt": TensorRT. "auto": TensorRT where a driver,
    #: the package and plans are, else ONNX Runtime on the CPU; the log of `earshot run` says which, and why.
    kind: Literal["auto", "ort", "ort-cuda", "trt"] = "auto"
    threads: int = Field(default=1, ge=1, le=256)
    #: The GPU of this process, as the driver counts. Several GPUs: a process for each.
    device: int = Field(default=0, ge=0)
    #: Of TensorRT's plans.
    precision: Literal["fp32", "fp16", "bf16", "int8", "fp8"] = "fp16"
    plans: Path = Path("~/.cache/earshot/plans")
    #: Make plans that are missing at the start; otherwise they are refused with the command that makes them.
    build: bool = False
    #: A file of this worker alone, in which the shapes of its batches are counted for `earshot build --traffic`.
    traffic: Path | None = None


class LogOptions(Options):
    """Logs go to stderr: JSON for machines, or lines for people on a terminal."""

    level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    format: str = Field(default="auto", pattern="^(auto|json|console)$")


class Settings(BaseSettings):
    """Everything that can be set, one section for each part."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    #: Decides where in a video Earshot looks, and seals cached values. Shared by all workers of a group.
    secret: SecretStr | None = None
    engine: EngineOptions = EngineOptions()
    kafka: KafkaOptions = KafkaOptions()
    fetch: FetchOptions = FetchOptions()
    decode: DecodeOptions = DecodeOptions()
    sandbox: SandboxOptions = SandboxOptions()
    cache: CacheOptions = CacheOptions()
    batch: BatchOptions = BatchOptions()
    brake: BrakeOptions = BrakeOptions()
    flow: FlowOptions = FlowOptions()
    worker: WorkerOptions = WorkerOptions()
    retry: RetryOptions = RetryOptions()
    policy: PolicyOptions = PolicyOptions()
    admin: AdminOptions = AdminOptions()
    log: LogOptions = LogOptions()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file: the file's values come in as arguments."""
        return env_settings, init_settings


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from the environment and a YAML file (`path`, else `EARSHOT_CONFIG`, else none).

    overrides: values of command-line options, by dotted name; they win over everything.
    Raises `SettingsError` with every fault at once: what came, what was expected.
    """
    path = path or (Path(os.environ["EARSHOT_CONFIG"]) if "EARSHOT_CONFIG" in os.environ else None)
    values = _read_yaml(path) if path is not None else {}
    _refuse_unknown_variables()
    try:
        settings = Settings(**values)
        settings = _overridden(settings, overrides) if overrides else settings
    except ValidationError as error:
        raise SettingsError(_explain(error, path)) from error
    _check_secret(settings)
    return settings


def sources(path: Path | None = None) -> dict[str, str]:
    """Where each value that is not a default came from, by dotted name."""
    path = path or (Path(os.environ["EARSHOT_CONFIG"]) if "EARSHOT_CONFIG" in os.environ else None)
    found = {name: str(path) for name in _dotted(_read_yaml(path))} if path is not None else {}
    for variable in _our_variables():
        found[variable.removeprefix(PREFIX).lower().replace("__", ".")] = variable
    return found


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: came {type(values).__name__}, expected sections such as 'kafka:'")
    return values


def _our_variables() -> list[str]:
    return [
        name
        for name in os.environ
        if name.startswith(PREFIX) and name not in _OTHER_VARIABLES and not name.startswith(_OTHER_PREFIXES)
    ]


def _refuse_unknown_variables() -> None:
    """Nested names are checked by the sections themselves; this catches a section that does not exist."""
    for name in _our_variables():
        section = name.removeprefix(PREFIX).lower().partition("__")[0]
        if section not in Settings.model_fields:
            raise SettingsError(f"{name}: no section {section!r}; there are {', '.join(sorted(Settings.model_fields))}")


def _overridden(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """The settings with some values replaced and validated as if they had come from the file."""
    values = settings.model_dump()
    for dotted, value in overrides.items():
        *sections, last = dotted.split(".")
        target = values
        for section in sections:
            target = target[section]
        target[last] = value
    # A model without sources: `Settings` itself would read the environment again, and let it win.
    fields: dict[str, Any] = {name: (field.annotation, ...) for name, field in Settings.model_fields.items()}
    valid = create_model("Overridden", **fields).model_validate(values)
    return Settings.model_construct(**{name: getattr(valid, name) for name in fields})


def _check_secret(settings: Settings) -> None:
    """Without a secret of its own, a worker may keep to itself; what it shares, others could forge."""
    length = len(settings.secret.get_secret_value()) if settings.secret is not None else 0
    if (settings.secret is not None or settings.cache.url is not None) and length < _MIN_SECRET_CHARACTERS:
        raise SettingsError(
            f"secret: came {length} characters, expected {_MIN_SECRET_CHARACTERS} or more (it is required beside "
            "cache.url: whoever can write to Redis could forge verdicts); try EARSHOT_SECRET=$(openssl rand -hex 16)"
        )


def _dotted(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, value in values.items():
        names.extend(_dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"])
    return names


def _explain(error: ValidationError, path: Path | None) -> str:
    lines = [f"the configuration{f' {path}' if path else ''} has {error.error_count()} fault(s):"]
    for fault in error.errors():
        name = ".".join(str(part) for part in fault["loc"])
        shown = isinstance(fault["input"], str | int | float) and not _PRIVATE.search(name)
        lines.append(f"  {name}: {fault['msg']}" + (f" (came {fault['input']!r})" if shown else ""))
    return "\n".join(lines)
