# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Starts what tools/cluster is made for.

# Refuses a wrong command line before anything is installed and built. --help ends here, too.
cluster_command_line() {
  local argument
  for argument; do
    case $argument in -h | --help) cluster_python --help && exit 0 ;; esac
  done
  cluster_python --check "$@"
}

cluster_python() { env PYTHONPATH="$ROOT" PYTHONDONTWRITEBYTECODE=1 python3 -m tools.cluster "$@"; }

# Takes the place of this shell, so that signals reach who looks after the children.
run_cluster() {
  have python3 || die 'python3 is needed for this'
  exec env PYTHONPATH="$ROOT" PYTHONDONTWRITEBYTECODE=1 python3 -m tools.cluster --program "$ROOT/build/release/signalbox" "$@"
}
