# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The stages of ./test. Each adds to the counts with `add` and never stops the run: what cannot be built or found
# is a failure, so that nothing passes by being absent.

passed=0 failed=0 skipped=0
rows=()
failures= # what the end of the run says again, since much is printed in between
STAGES=(lint release system asan asan_system tsan fuzz)
FUZZ_SECONDS=${FUZZ_SECONDS:-60}
PYTEST_WORKERS=${PYTEST_WORKERS:-4}
LIMIT=$((${TEST_MINUTES:-85} * 60)) # of the whole run, in seconds

# The layers whose tests have threads, for the thread sanitizer.
CONCURRENT=(base io redis store http auth cluster broker net admin)
TSAN_TARGETS=(signalbox "${CONCURRENT[@]/%/_test}")

add() { # PASSED FAILED [SKIPPED]
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
}

fail() { # WHY...
  say "$stage: $*"
  failures+="  FAILED $stage: $*"$'\n'
  add 0 1
}

# Runs a command for at most SECONDS, or for what is left of the whole run if that is less.
limited() { # SECONDS COMMAND...
  local seconds=$1 left=$((LIMIT - SECONDS))
  shift
  [ "$left" -lt "$seconds" ] && seconds=$left
  [ "$seconds" -gt 0 ] || { echo 'no time is left for this'; return 124; }
  timeout ${INTERACTIVE:+--foreground} -s INT -k 20 "$seconds" "$@"
}

# Shows the sanitizer reports of a stage. A stage with reports has failed even if all its tests passed.
count_reports() { # FAILED-BEFORE
  local report reports=()
  for report in "$LOGS"/report.[0-9]*; do [ -s "$report" ] && reports+=("$report"); done
  [ ${#reports[@]} -eq 0 ] && return
  [ $failed -gt "$1" ] || fail "${#reports[@]} sanitizer report(s), although no test failed"
  for report in "${reports[@]:0:3}"; do
    say "$report:"
    head -n 40 "$report" >&2
  done
  mkdir -p "$LOGS/reports-$stage" && mv "${reports[@]}" "$LOGS/reports-$stage"
}

count() { # KIND EXIT_STATUS FILE [FOLDER]
  local line
  line=$("$ROOT/tools/count_results.py" "$@" 2>"$LOGS/failed") || line='0 1 0'
  cat "$LOGS/failed" >&2
  failures+=$(sed "s/^  FAILED /&$stage: /" "$LOGS/failed")
  [[ -z $failures || $failures == *$'\n' ]] || failures+=$'\n'
  # shellcheck disable=SC2086 # three numbers
  add $line
}

# Runs the unit tests of a preset that has been built.
unit() { # PRESET [ctest option]...
  local preset=$1 out=$LOGS/unit-$1 status
  shift
  rm -rf "$out" && mkdir -p "$out"
  export GTEST_OUTPUT="xml:$out/" GTEST_COLOR=no
  limited 1200 "${RUNNER[@]}" ctest --test-dir "$ROOT/build/$preset" --parallel "$(nproc)" --timeout 600 --no-tests=error \
    --output-on-failure --output-junit "$out/ctest.xml" "$@" >"$out.log" 2>&1 </dev/null
  status=$?
  unset GTEST_OUTPUT
  [ $status -eq 0 ] || { grep -vE '^\[ *(OK|RUN|-*) *\]|^\[20[0-9-]+ |^ *$' "$out.log" | tail -n 60 >&2; }
  count ctest $status "$out/ctest.xml" "$out"
}

# Runs the system tests with the broker of a preset.
system() { # PRESET [pytest option]...
  local preset=$1 xml=$LOGS/system-$1.xml log=$LOGS/system-$1.log status
  shift
  rm -f "$xml"
  python_environment && js_environment || { fail 'the environment of the system tests could not be made'; return; }
  SIGNALBOX_BIN=$ROOT/build/$preset/signalbox limited 1800 "${RUNNER[@]}" env -C "$ROOT/tests" "$VENV/bin/python" -m pytest \
    -n "$PYTEST_WORKERS" --junitxml "$xml" -q "$@" >"$log" 2>&1 </dev/null
  status=$?
  [ $status -eq 0 ] || tail -n 60 "$log" >&2
  count pytest $status "$xml"
}

stage_lint() {
  local lint
  for lint in "${LINTS[@]}"; do
    if "lint_$lint" >"$LOGS/lint-$lint.log" 2>&1 </dev/null; then
      add 1 0
    else
      fail "$lint"
      tail -n 20 "$LOGS/lint-$lint.log" >&2
    fi
  done
  grep 'warning:' "$LOGS/lint-spdx.log" >&2
}

# Begins what a later stage will build with what the tests of this one, which mostly wait, leave of the processors. That
# stage waits for it, and does the rest.
ahead=
build_ahead() { # PRESET [TARGET]...
  local preset=$1
  [[ " ${chosen[*]} " == *" $preset "* ]] && have flock || return 0
  shift
  (
    chrt --idle --pid 0 "$BASHPID" || renice -n 19 "$BASHPID"
    configure "$preset" || exit
    exec 9>"$ROOT/build/$preset/.lock"
    flock 9
    exec ninja -C "$ROOT/build/$preset" -j "$(jobs)" "$@"
  ) >"$LOGS/ahead-$preset.log" 2>&1 </dev/null &
  ahead=$!
}

build_and_unit() { # PRESET
  if build "$1"; then unit "$1"; else fail "build/$1 could not be built"; fi
}

stage_release() { build_and_unit release; }
# clang, with assertions and the address and undefined-behaviour sanitizers.
stage_asan() { build_and_unit asan; }

stage_system() {
  build release signalbox || { fail 'the broker could not be built'; return; }
  build_ahead asan
  system release
}

stage_asan_system() {
  build asan signalbox || { fail 'the broker could not be built'; return; }
  build_ahead tsan "${TSAN_TARGETS[@]}"
  system asan --timeout 180 -m 'not once'
}

# The thread sanitizer sees the concurrent layers and the system tests marked `concurrent`.
stage_tsan() {
  local pattern
  pattern=$(IFS='|' && echo "^(${CONCURRENT[*]})\$")
  build tsan "${TSAN_TARGETS[@]}" || { fail 'build/tsan could not be built'; return; }
  unit tsan -R "$pattern"
  system tsan --timeout 180 -m concurrent
}

stage_fuzz() {
  local target targets=() running=0
  while IFS= read -r target; do targets+=("$target"); done < <(fuzz_targets)
  [ ${#targets[@]} -gt 0 ] || { fail 'there is no fuzz target'; return; }
  if ! build asan fuzzers; then
    fail 'the fuzz targets could not be built'
    return
  fi
  wait # what was built ahead is built; of the processes below two run at a time
  rm -f "$LOGS"/fuzz-*.status
  for target in "${targets[@]}"; do
    [ $running -lt 2 ] || { wait -n; running=$((running - 1)); }
    fuzz_one "$target" &
    running=$((running + 1))
  done
  wait
  for target in "${targets[@]}"; do
    if [ "$(cat "$LOGS/fuzz-$target.status" 2>/dev/null)" = 0 ]; then
      add 1 0
    else
      fail "$target"
      tail -n 30 "$LOGS/fuzz-$target.log" >&2
    fi
  done
}

fuzz_one() { # TARGET
  if [ $((LIMIT - SECONDS)) -lt "$FUZZ_SECONDS" ]; then echo 'no time is left for this'; false; else
    run_fuzz "$1" "$FUZZ_SECONDS"
  fi >"$LOGS/fuzz-$1.log" 2>&1 </dev/null
  echo $? >"$LOGS/fuzz-$1.status"
}

run_stage() { # STAGE
  local begin=$SECONDS p=$passed f=$failed s=$skipped row
  stage=$1
  say "$stage ..."
  rm -rf "$LOGS"/report.[0-9]* "$LOGS/reports-$stage"
  "stage_$stage"
  count_reports "$f"
  printf -v row '%-12s %5d passed %3d failed %3d skipped  %5d s' \
    "$stage" $((passed - p)) $((failed - f)) $((skipped - s)) $((SECONDS - begin))
  rows+=("$row")
  printf '%s\n' "$row"
}
