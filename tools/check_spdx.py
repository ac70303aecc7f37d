#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every source file says its licence in the first lines; warns of files that have grown long."""
import subprocess
import sys
from pathlib import Path

TAG = "SPDX-License-Identifier: MIT"
SUFFIXES = {".h", ".cc", ".cpp", ".py", ".sh", ".cmake", ".js", ".mjs", ".ts", ".tsx", ".css", ".lua"}
NAMES = {"CMakeLists.txt"}
LONG = 500


def repository_files(root):
    """Tracked files and new ones that are not ignored; without git, all but what is built."""
    try:
        command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
        return sorted(root / name for name in set(names) if name)
    except (OSError, subprocess.CalledProcessError):
        skipped = {".git", "build", "node_modules", "__pycache__"}
        return sorted(p for p in root.rglob("*") if not skipped & set(p.relative_to(root).parts))


def is_source(path):
    if path.suffix in SUFFIXES or path.name in NAMES:
        return True
    if path.suffix:
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def main(arguments):
    root = Path(arguments[0]).resolve() if arguments else Path(__file__).resolve().parent.parent
    missing = checked = 0
    for path in repository_files(root):
        if not path.is_file() or path.is_symlink() or not is_source(path):
            continue
        checked += 1
        lines = path.read_text(errors="replace").splitlines()
        if not any(TAG in line for line in lines[:3]):
            print(f"{path.relative_to(root)}:1: the first lines lack '{TAG}'")
            missing += 1
        if len(lines) > LONG:
            print(f"{path.relative_to(root)}: warning: {len(lines)} lines; is it still one idea?")
    print(f"spdx: {checked} files, {missing} without the tag")
    return 1 if missing or not checked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
