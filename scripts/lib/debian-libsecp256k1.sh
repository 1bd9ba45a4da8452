#!/usr/bin/env bash
# Fetches Debian's libsecp256k1 into a folder: the library alone, to be loaded into this host's own
# processes. Sourced by scripts/libsecp256k1, after debian-package.sh.
# shellcheck shell=bash

# The newest first: each release checks signatures faster. It asks for no more than glibc 2.4, but
# whether it loads is tried, and the package of the host's own release is the next choice.
LIBSECP256K1_SUITE=forky

# host_debian_suite: this machine's own release, when it is a Debian.
host_debian_suite() {
  # shellcheck disable=SC1091  # every Debian has it
  (. /etc/os-release && [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}") 2>/dev/null || true
}

# debian_fetch_libsecp256k1 TARGET: makes TARGET/libsecp256k1.so. TARGET appears whole or not at all.
# Returns non-zero when no release has a library that loads here. Needs usable FILE of the caller.
debian_fetch_libsecp256k1() {
  local target="$1" host
  debian_fetch_libsecp256k1_from "$LIBSECP256K1_SUITE" "$target" && return
  host="$(host_debian_suite)"
  [ -n "$host" ] && [ "$host" != "$LIBSECP256K1_SUITE" ] &&
    debian_fetch_libsecp256k1_from "$host" "$target"
}

# debian_fetch_libsecp256k1_from SUITE TARGET: a subshell, so that its folder is always removed.
debian_fetch_libsecp256k1_from() (
  local suite="$1" target="$2" work name library
  work="$(mktemp -d "$target.XXXXXX")"
  # shellcheck disable=SC2064  # the path is fixed now
  trap "rm -rf '$work'" EXIT
  say "fetching libsecp256k1 from Debian $suite ($(debian_mirror))"
  debian_open "$work/apt" "$suite" || return 1
  # The name ends in the ABI's number.
  name="$(debian_package_names "$work/apt" libsecp256k1- |
    grep -E '^libsecp256k1-[0-9]+$' | sort -V | tail -n 1)"
  [ -n "$name" ] || return 1
  debian_run_apt "$work/apt" download "$name" || return 1
  debian_unpack "$work/apt" "$work/tree/root" || return 1
  library="$(cd "$work/tree" && find root -name 'libsecp256k1.so.*' -type f)"
  [ -f "$work/tree/$library" ] || return 1
  ln -s "$library" "$work/tree/libsecp256k1.so"
  usable "$work/tree/libsecp256k1.so" || return 1
  rm -rf "$target"
  mv "$work/tree" "$target"
)
