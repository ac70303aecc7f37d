# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Runs one fuzz target for some seconds. Seeds: fuzz/corpus/NAME, dictionary: fuzz/NAME.dict, NAME without `fuzz_`.
# What a run finds goes to build/asan: new inputs to corpus/NAME, which later runs begin with, inputs that crash
# to artifacts/.

fuzz_targets() { compgen -G "$ROOT/fuzz/fuzz_*.cc" | sed 's|.*/||; s|\.cc$||'; }

run_fuzz() { # TARGET SECONDS
  local name=${1#fuzz_} out=$ROOT/build/asan
  local corpus=("$out/corpus/$name") options=(-max_total_time="$2" -timeout=10 -rss_limit_mb=2048
    -artifact_prefix="$out/artifacts/$1-" -print_final_stats=1)
  mkdir -p "${corpus[0]}" "$out/artifacts"
  [ -d "$ROOT/fuzz/corpus/$name" ] && corpus+=("$ROOT/fuzz/corpus/$name")
  [ -e "$ROOT/fuzz/$name.dict" ] && options+=(-dict="$ROOT/fuzz/$name.dict")
  "${RUNNER[@]}" "$out/$1" "${options[@]}" "${corpus[@]}"
}
