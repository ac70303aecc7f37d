#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every folder of src/ includes only headers of the layers that stand above it.

Usage: check_layers.py [--self-test] [ROOT]

Three rules, each message with file, line and the two layers:
- a file in src/<layer>/ (its tests/ as well) includes headers of its own layer or of layers above it in ORDER;
- the protocol core does no I/O and the Redis client knows nothing of MQTT (FORBIDDEN);
- in CMakeLists.txt, sb_layer(<layer> DEPS sb_<other>) names layers above <layer>.
"""
import re
import sys
import tempfile
from pathlib import Path

# Top to bottom: a layer may use what stands before it.
ORDER = (
    "base io model mqtt ports session channel redis store http registry auth cluster broker client net gateway "
    "admin config app"
).split()
RANK = {layer: rank for rank, layer in enumerate(ORDER)}

FORBIDDEN = {
    **{(core, "io"): f"{core} does no I/O" for core in ("model", "mqtt", "ports", "session", "channel")},
    **{("redis", other): "redis knows nothing of MQTT" for other in ("model", "mqtt", "ports", "session", "channel")},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')
SB_LAYER = re.compile(r"^\s*sb_layer\((\w+)(.*)$")


def fault(user, used):
    """Says why layer `user` may not use layer `used`, or None if it may."""
    if (user, used) in FORBIDDEN:
        return FORBIDDEN[user, used]
    if RANK[used] > RANK[user]:
        return f"{used} stands below {user} in the list of layers"
    return None


def check_file(path, where, layer):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1)
        if target.startswith("../"):
            yield f'{where}:{number}: {layer}: include "{target}" by its path from src/'
        first = target.split("/")[0]
        if "/" in target and first in RANK:
            why = fault(layer, first)
            if why:
                yield f'{where}:{number}: {layer} includes {first} ("{target}"): {why}'


def check_cmake(path, where):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = SB_LAYER.match(line)
        if not match:
            continue
        layer = match.group(1)
        if layer not in RANK:
            yield f"{where}:{number}: {layer} is not in the list of layers"
            continue
        for used in re.findall(r"\bsb_(\w+)", match.group(2)):
            why = fault(layer, used) if used in RANK else f"{used} is not in the list of layers"
            if why:
                yield f"{where}:{number}: {layer} links {used}: {why}"


def check(root):
    """Returns (faults, number of files checked)."""
    faults, files = [], 0
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        files += 1
        where = path.relative_to(root)
        layer = where.parts[1]
        if len(where.parts) < 3 or layer not in RANK:
            faults.append(f"{where}:1: {layer} is not in the list of layers")
            continue
        faults += check_file(path, where, layer)
    if (root / "CMakeLists.txt").exists():
        faults += check_cmake(root / "CMakeLists.txt", "CMakeLists.txt")
    return faults, files


SELF_TEST = [
    # file, content, text that the only fault must have (None: no fault)
    ("src/net/a.h", '#include "broker/router.h"\n#include "net/b.h"\n#include <vector>\n', None),
    ("src/net/a.cc", '\n#include "config/keys.h"\n', "src/net/a.cc:2: net includes config"),
    ("src/net/tests/a_test.cc", '#include "app/x.h"\n', "src/net/tests/a_test.cc:1: net includes app"),
    ("src/mqtt/a.cc", ' # include <io/loop.h>\n', "mqtt does no I/O"),
    ("src/channel/a.cc", '#include "io/loop.h"\n', "channel does no I/O"),
    ("src/redis/a.cc", '#include "mqtt/decoder.h"\n', "redis knows nothing of MQTT"),
    ("src/base/a.cc", '#include "../mqtt/x.h"\n', "by its path from src/"),
    ("src/base/a.cc", '// #include "mqtt/x.h"\n#include "sys/epoll.h"\n', None),
    ("src/nowhere/a.cc", "\n", "nowhere is not in the list"),
    ("src/stray.cc", "\n", "stray.cc is not in the list"),
    ("CMakeLists.txt", "sb_layer(net DEPS sb_broker sb_io)\nsb_layer(base DEPS fmt::fmt)\n", None),
    ("CMakeLists.txt", "sb_layer(base DEPS sb_mqtt)\n", "CMakeLists.txt:1: base links mqtt"),
    ("CMakeLists.txt", "sb_layer(other DEPS sb_mqtt)\n", "other is not in the list"),
]


def self_test():
    failed = 0
    for name, content, wanted in SELF_TEST:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            faults, _ = check(Path(folder))
            if len(faults) != (wanted is not None) or (wanted and wanted not in faults[0]):
                print(f"self-test: {name} {content!r}: wanted {wanted!r}, got {faults}")
                failed += 1
    print(f"self-test: {len(SELF_TEST) - failed} of {len(SELF_TEST)} cases as expected")
    return 1 if failed else 0


def main(arguments):
    if arguments and arguments[0] == "--self-test":
        return self_test()
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    faults, files = check(root)
    print("\n".join(faults + [f"layers: {files} files, {len(faults)} faults"]))
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
