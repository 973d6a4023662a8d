"""Gets a missing program from the package manager where that is permitted, or says what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_INSTALL_SECONDS = 600.0


class ServiceMissingError(RuntimeError):
    """Raised when a server cannot be had on this machine; the text says what to install or to set."""


def say(line: str) -> None:
    """One line of progress for the person who waits."""
    print(f"tests.services: {line}", file=sys.stderr, flush=True)


def program(names: tuple[str, ...], *, package: str, advice: str) -> str:
    """The path of the first of `names` on PATH, after installing the Debian `package` where allowed.

    Raises:
        ServiceMissingError: not there and not installable; carries `advice`.
    """
    found = _on_path(names)
    if found is None and _may_install():
        say(f"installing the Debian package {package} (no {' or '.join(names)} on PATH)")
        failure = _apt_install(package)
        found = _on_path(names)
        if found is None:
            raise ServiceMissingError(f"apt-get could not install {package}: {failure}. {advice}")
    if found is None:
        raise ServiceMissingError(f"no {' or '.join(names)} on PATH. {advice}")
    return found


def run(
    argv: list[str], *, timeout_seconds: float, env: dict[str, str] | None = None, cwd: Path | None = None
) -> str | None:
    """Runs a command to its end. None when it succeeded, else its last lines."""
    merged = {**os.environ, **(env or {})}
    try:
        done = subprocess.run(
            argv,
            env=merged,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return " | ".join((done.stdout + done.stderr).strip().splitlines()[-5:]) or f"exit status {done.returncode}"


def _on_path(names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := shutil.which(name))), None)


def _may_install() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt_install(package: str) -> str | None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    failure = run(install, timeout_seconds=_INSTALL_SECONDS, env=quiet)
    if failure is None:
        return None
    # The package lists of a fresh image are empty or too old.
    run(["apt-get", "update"], timeout_seconds=_INSTALL_SECONDS, env=quiet)
    return run(install, timeout_seconds=_INSTALL_SECONDS, env=quiet)
