# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Configures and builds one CMake preset in build/PRESET, quietly; logs in build/logs.

# Says which tools of a build are absent although packages could not be installed.
build_tools_present() {
  local tool absent=()
  for tool in "${CXX:-g++}" cmake ninja; do have "$tool" || absent+=("$tool"); done
  [ ${#absent[@]} -eq 0 ] && return 0
  say "cannot build without: ${absent[*]}"
  return 1
}

# Ninja configures again by itself when a CMake file or the list of sources changes. The rest is for us to see.
must_configure() { # PRESET
  local dir=$ROOT/build/$1
  local cache=$dir/CMakeCache.txt
  [ -e "$dir/build.ninja" ] || return 0
  [ "$ROOT/CMakePresets.json" -nt "$dir/build.ninja" ] && return 0
  grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" "$cache" || return 0 # the repository was moved or copied
  # GTest came after the first ./run
  if grep -q '^GTest_DIR:PATH=.*NOTFOUND' "$cache" && compgen -G '/usr/lib/*/cmake/GTest' >/dev/null; then return 0; fi
  return 1
}

configure() { # PRESET
  local options=()
  must_configure "$1" || return 0
  have ccache || options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=)
  if [ -e "$ROOT/build/$1/CMakeCache.txt" ]; then
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$ROOT" "$ROOT/build/$1/CMakeCache.txt" || options+=(--fresh)
  fi
  step "configure-$1" env -C "$ROOT" cmake --preset "$1" "${options[@]}"
}

# Builds targets of a preset (all without any). One build of a preset at a time.
build() { # PRESET [TARGET]...
  local preset=$1 command=(ninja -C "$ROOT/build/$1" -j "$(jobs)")
  shift
  need_disk 300 && configure "$preset" || return 1
  have flock && command=(flock "$ROOT/build/$preset/.lock" "${command[@]}")
  step "build-$preset" "${command[@]}" "$@"
}
