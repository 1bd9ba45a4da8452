#!/usr/bin/env bash
# Fetches Debian's bitcoin-knots into a folder, with all the libraries it needs. Sourced by
# scripts/bitcoind, after debian-package.sh.
#
# The libraries include libc: the daemon runs through its own dynamic loader, so the age of the
# host does not matter.
# shellcheck shell=bash

BITCOIND_SUITE=forky
BITCOIND_PACKAGE=bitcoin-knots

# debian_fetch_bitcoind TARGET: makes TARGET/bitcoind, a wrapper that runs the unpacked daemon from
# wherever TARGET is. TARGET appears whole or not at all. Returns non-zero when it cannot be had.
# A subshell, so that its folder is removed whatever the caller does next.
debian_fetch_bitcoind() (
  local target="$1" work
  work="$(mktemp -d "$target.XXXXXX")"
  # shellcheck disable=SC2064  # the path is fixed now
  trap "rm -rf '$work'" EXIT
  say "fetching $BITCOIND_PACKAGE from Debian $BITCOIND_SUITE ($(debian_mirror))"
  debian_open "$work/apt" "$BITCOIND_SUITE" || return 1
  debian_run_apt "$work/apt" install --download-only "$BITCOIND_PACKAGE" || return 1
  debian_unpack "$work/apt" "$work/tree/root" || return 1
  debian_write_wrapper "$work/tree/bitcoind" || return 1
  "$work/tree/bitcoind" -version >/dev/null || return 1
  rm -rf "$target"
  mv "$work/tree" "$target"
)

# debian_write_wrapper FILE: a POSIX script that finds its tree beside itself.
debian_write_wrapper() {
  cat >"$1" <<'WRAPPER'
#!/bin/sh
# Runs the unpacked bitcoind with the libraries that came with it.
root="$(dirname "$(readlink -f "$0")")/root"
libraries="$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
for loader in "$root/usr/lib64" "$root/lib64" "$root/usr/lib/x86_64-linux-gnu"; do
  if [ -x "$loader/ld-linux-x86-64.so.2" ]; then
    exec "$loader/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/bin/bitcoind" "$@"
  fi
done
echo 'bitcoind: the unpacked dynamic loader is missing; remove this folder and try again' >&2
exit 127
WRAPPER
  chmod 755 "$1"
}
