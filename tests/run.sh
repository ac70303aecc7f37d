#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes build/venv from requirements.txt if needed and runs the system tests; arguments go to pytest.
set -eu
cd "$(dirname "$0")"
venv=../build/venv
if [ ! -x "$venv/bin/pytest" ]; then
    python3 -m venv "$venv"
fi
"$venv/bin/pip" install -q --disable-pip-version-check -r requirements.txt
exec "$venv/bin/python" -m pytest "$@"
