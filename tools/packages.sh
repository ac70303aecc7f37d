# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Installs what tools/packages.txt lists and this machine lacks. Nothing missing means no work and no network.

# Prints the needs of a section, one per line, without comments.
package_needs() { # SECTION
  awk -v want="[$1]" '{ sub(/#.*/, ""); gsub(/[ \t]+/, " "); sub(/ $/, "") }
    /^\[/ { on = ($0 == want); next } on && NF' "$ROOT/tools/packages.txt"
}

# Prints the needs of these sections that nothing on this machine meets.
missing_needs() { # SECTION...
  local section need word needs=() names=() words=() installed=' '
  for section; do
    while IFS= read -r need; do needs+=("$need"); done < <(package_needs "$section")
  done
  if have dpkg-query; then
    for need in "${needs[@]}"; do
      IFS=' |' read -ra words <<<"$need"
      for word in "${words[@]}"; do [[ $word == cmd:* ]] || names+=("$word"); done
    done
    # shellcheck disable=SC2016 # dpkg-query's own format
    installed=" $(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${names[@]}" 2>/dev/null |
      awk '$2 == "installed" { printf "%s ", $1 }')"
  fi
  for need in "${needs[@]}"; do
    IFS=' |' read -ra words <<<"$need"
    for word in "${words[@]}"; do
      if [[ $word == cmd:* ]]; then have "${word#cmd:}" && continue 2; fi
      [[ $installed == *" $word "* ]] && continue 2
    done
    printf '%s\n' "$need"
  done
}

# Runs a command as root: directly, or through sudo, which must not ask when nobody is there to answer.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; elif [ -n "$INTERACTIVE" ]; then sudo "$@"; else sudo -n "$@"; fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }

# Some test packages are servers whose installation starts them, on the ports that Signalbox uses. They are
# installed without being started, and are not started at the next boot either.
without_starting_services() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy
  fi
  "$@"
)

disable_services() { # PACKAGE...
  local package
  [ -d /run/systemd/system ] || return 0
  for package; do
    case $package in
      mosquitto | redis-server | valkey-server) as_root systemctl disable --now "$package" >/dev/null 2>&1 ;;
    esac
  done
  return 0
}

# The first package of a need that apt knows.
candidate() { # NEED
  local word words
  IFS=' |' read -ra words <<<"$1"
  for word in "${words[@]}"; do
    [[ $word == cmd:* ]] && continue
    if [ -n "$(apt-cache show "$word" 2>/dev/null | head -n 1)" ]; then
      printf '%s\n' "$word"
      return
    fi
  done
  printf '%s\n' "${words[0]}"
}

# Meets the needs of the sections. 0: all met. 1: some are not, and it was said which and why.
install_packages() { # SECTION...
  local missing=() packages=() need
  while IFS= read -r need; do missing+=("$need"); done < <(missing_needs "$@")
  [ ${#missing[@]} -eq 0 ] && return 0

  if ! have apt-get; then
    say 'this is not a Debian system, so nothing is installed. Needed (Debian 12 names, | between alternatives):'
    printf '  %s\n' "${missing[@]}" >&2
    return 1
  fi
  need_disk 1024 || return 1
  say "installing ${#missing[@]} package(s): ${missing[*]%% |*}"
  if ! { have sudo || [ "$(id -u)" -eq 0 ]; } || ! as_root true; then
    say "that needs root or sudo. As root: apt-get install ${missing[*]%% |*}"
    return 1
  fi
  step apt-update apt update || say 'the package lists could not be refreshed; trying with the old ones'
  for need in "${missing[@]}"; do packages+=("$(candidate "$need")"); done
  if ! step apt-install without_starting_services apt install -y --no-install-recommends --no-remove "${packages[@]}"; then
    say "apt could not install: ${packages[*]}"
    return 1
  fi
  disable_services "${packages[@]}"
}
