"""A Chromium for playwright: `chromium.launch(executable_path=chromium_program(), args=ARGS)`."""

from __future__ import annotations

from tests.services.install import program

#: Headless, in a container or as root, and silent on the network.
ARGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_program() -> str:
    """The path of a Chromium or Chrome.

    Raises:
        ServiceMissingError: not there and not installable.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    return program(names, package="chromium", advice="Install Chromium (Debian: chromium).")
