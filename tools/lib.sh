# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Shared by run, test and dev: where things are, how to speak, how to run one step with its output in a log.
# The caller sets `me`, the name that stands before its messages.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
LOGS=$ROOT/build/logs

# One cache entry serves every clone of the repository, wherever it lies.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
PATH=$PATH:/usr/sbin:/sbin # where Debian puts the servers that tests start

# Empty unless a person sits at the terminal.
INTERACTIVE=
[ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ] && INTERACTIVE=yes

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Free space in MiB where the repository lies.
free_mib() { df -Pm "$ROOT" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

need_disk() { # MIB
  local free
  free=$(free_mib)
  if [ -n "$free" ] && [ "$free" -lt "$1" ]; then
    say "only $free MiB are free on the disk of $ROOT; at least $1 are needed"
    return 1
  fi
  mkdir -p "$LOGS" || { say "cannot write to $ROOT/build"; return 1; }
}

# Compilers that run at the same time: one per core, but no more than memory allows at 1 GiB each.
jobs() {
  local cores memory
  cores=$(nproc 2>/dev/null || echo 2)
  memory=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null || echo "$cores")
  [ "${memory:-1}" -ge 1 ] || memory=1
  [ "$memory" -lt "$cores" ] && cores=$memory
  echo "$cores"
}

# Runs a command with its output in build/logs/NAME.log. A failure shows the end of the log and, when the
# system gave one, the plain reason.
step() { # NAME COMMAND...
  local log=$LOGS/$1.log status
  shift
  "$@" >"$log" 2>&1 </dev/null
  status=$?
  [ $status -eq 0 ] && return 0
  say "failed (exit $status): $*"
  tail -n "${LOG_TAIL:-40}" "$log" | sed 's/^/  | /' >&2
  if grep -q 'No space left on device' "$log"; then say 'the disk is full'; fi
  if grep -q 'Killed signal terminated program' "$log"; then say 'a compiler was killed: memory ran out'; fi
  say "the whole log: $log"
  return $status
}
