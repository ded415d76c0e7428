"""Programs that no Python package brings. `make system-deps` installs them on Debian."""

from __future__ import annotations

import os
import shutil

import pytest


def need_program(name: str, *, package: str) -> str:
    """Return where a program is. Without it the test is skipped, and on the build server fails."""
    found = shutil.which(name)
    if found is not None:
        return found
    words = f"{name} IS MISSING, SO THIS IS NOT PROVED (Debian: {package}); see: make system-deps"
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)
