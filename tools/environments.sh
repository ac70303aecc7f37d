# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the system tests run in: a Python environment in build/venv and the packages of the JavaScript clients. Each
# is made anew when the list that it is made from changes, and only then.

VENV=$ROOT/build/venv
JS=$ROOT/tests/clients/js

python_environment() {
  local wanted
  wanted=$(/usr/bin/python3 --version && sha256sum <"$ROOT/tests/requirements.txt" && echo "$VENV") || return 1
  [ "$wanted" = "$(cat "$VENV/.made-from" 2>/dev/null)" ] && return 0
  say 'making the Python environment in build/venv'
  rm -rf "$VENV"
  step venv /usr/bin/python3 -m venv "$VENV" &&
    step pip "$VENV/bin/python" -m pip install --quiet -r "$ROOT/tests/requirements.txt" &&
    printf '%s\n' "$wanted" >"$VENV/.made-from"
}

js_environment() {
  local wanted
  [ -e "$JS/package.json" ] || return 0
  wanted=$(node --version && cat "$JS/package.json" "$JS/package-lock.json" | sha256sum) || return 1
  [ "$wanted" = "$(cat "$JS/node_modules/.made-from" 2>/dev/null)" ] && return 0
  say 'installing the JavaScript clients in tests/clients/js'
  step npm env -C "$JS" npm ci --no-audit --no-fund && printf '%s\n' "$wanted" >"$JS/node_modules/.made-from"
}

# How programs of a sanitizer build run. With NAME, reports go to LOGS/NAME.PID, so that one in a broker that a test
# started is not overlooked; without, to stderr.
sanitizer_options() { # [NAME]
  local common="halt_on_error=1${1:+ log_path=$LOGS/$1}"
  export ASAN_OPTIONS="$common detect_stack_use_after_return=1 strict_string_checks=1 check_initialization_order=1"
  export UBSAN_OPTIONS="$common print_stacktrace=1" TSAN_OPTIONS="$common second_deadlock_stack=1"
}

# The sanitizers of these compilers cannot place their shadow memory on kernels that randomize addresses widely;
# where it is allowed, their programs run without randomization.
RUNNER=()
setarch -R true 2>/dev/null && RUNNER=(setarch -R)
