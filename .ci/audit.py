"""Asks pip-audit about every locked package, and tells a hole from an advisory service away.

A known hole fails. A service that can't be reached does not: it is said loudly, because a build
must not depend on somebody else's server, and must not claim a check that was not made.
"""

from __future__ import annotations

import json
import subprocess
import sys


def main(lock: str) -> int:
    """Print what was found; return 1 for a known hole, 0 otherwise."""
    run = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes",
         "--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", "5"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (run.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        print(f"AUDIT NOT MADE: pip-audit gave no answer ({last[:200]}).")
        return 0
    holes = [(package, hole) for package in packages for hole in package.get("vulns", [])]
    unasked = [package for package in packages if "skip_reason" in package]
    for package, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {hole['id']}, mended in {fixed}")
    if len(unasked) == len(packages):
        print(f"AUDIT NOT MADE: the advisory service knew none of {len(packages)} packages;")
        print("it is most likely out of reach from here.")
    elif unasked:
        print(f"Not audited: {', '.join(package['name'] for package in unasked)}")
    return 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
