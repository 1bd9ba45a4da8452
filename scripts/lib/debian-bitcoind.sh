#!/usr/bin/env bash
# Fetches Debian's bitcoin-knots into a folder, with all the libraries it needs, through the
# system's apt but with lists, status and cache of its own: nothing is installed, and no file
# outside the folder is written. Sourced by scripts/bitcoind, after shell.sh.
#
# The libraries include libc: the daemon runs through its own dynamic loader, so the age of the
# host does not matter. apt checks the archive's signature and every package's hash.
# shellcheck shell=bash

DEBIAN_SUITE=forky
DEBIAN_PACKAGE=bitcoin-knots
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
DEBIAN_DEFAULT_MIRROR=http://deb.debian.org/debian
# Needed only to set the package up as a system service, which is not done here.
DEBIAN_UNNEEDED='debconf systemd'

# debian_obstacle: prints why the package cannot be had on this machine; nothing when it can.
debian_obstacle() {
  if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "the Debian package is used on x86-64 Linux only, this is $(uname -s) $(uname -m)"
  elif ! have apt-get apt-config dpkg-deb flock; then
    echo 'apt-get, dpkg-deb and flock are needed to fetch the Debian package'
  elif [ ! -r "$DEBIAN_KEYRING" ]; then
    echo "$DEBIAN_KEYRING is missing (package debian-archive-keyring)"
  fi
}

# debian_mirror: the mirror that this machine's own sources name, else Debian's.
debian_mirror() {
  local configured
  configured="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE '/^(deb |URIs:)/s#.*[[:space:]](https?://[^[:space:]]+/debian)/?([[:space:]].*)?$#\1#p' |
    head -n 1)"
  echo "${CAUSEWAY_DEBIAN_MIRROR:-${configured:-$DEBIAN_DEFAULT_MIRROR}}"
}

# debian_write_apt_configuration FOLDER: an apt that sees only FOLDER; how archives are reached (the
# proxy, and whether the host trusts release files past their date) is the host's choice.
debian_write_apt_configuration() {
  local apt="$1" name
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
  echo "deb [arch=amd64 signed-by=$DEBIAN_KEYRING] $(debian_mirror) $DEBIAN_SUITE main" \
    >"$apt/sources.list"
  for name in $DEBIAN_UNNEEDED; do
    printf 'Package: %s\nStatus: install ok installed\nVersion: 999\nArchitecture: all\n' "$name"
    printf 'Multi-Arch: foreign\nMaintainer: none\nDescription: not needed here\n\n'
  done >"$apt/status"
  cat >"$apt/apt.conf" <<CONFIGURATION
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Install-Recommends "0";
APT::Sandbox::User "root";
Acquire::Languages "none";
APT::Update::Error-Mode "any";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Debug::NoLocking "1";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$apt/parts";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::State::extended_states "$apt/extended_states";
Dir::Cache "$apt/cache";
CONFIGURATION
  apt-config dump |
    grep -iE '^Acquire::(https?::proxy|Check-(Valid-Until|Date))' >>"$apt/apt.conf" || true
}

# debian_run_apt FOLDER ARGUMENT…: apt-get, quiet unless it fails.
debian_run_apt() {
  local apt="$1"
  shift
  if ! APT_CONFIG="$apt/apt.conf" apt-get -q -y "$@" >"$apt/log" 2>&1; then
    cat "$apt/log" >&2
    return 1
  fi
}

# debian_fetch_bitcoind TARGET: makes TARGET/bitcoind, a wrapper that runs the unpacked daemon from
# wherever TARGET is. TARGET appears whole or not at all. Returns non-zero when it cannot be had.
# A subshell, so that its folder is removed whatever the caller does next.
debian_fetch_bitcoind() (
  local target="$1" work package
  work="$(mktemp -d "$target.XXXXXX")"
  # shellcheck disable=SC2064  # the path is fixed now
  trap "rm -rf '$work'" EXIT
  debian_write_apt_configuration "$work/apt"
  say "fetching $DEBIAN_PACKAGE from Debian $DEBIAN_SUITE ($(debian_mirror))"
  debian_run_apt "$work/apt" update || return 1
  debian_run_apt "$work/apt" install --download-only "$DEBIAN_PACKAGE" || return 1
  mkdir "$work/tree" "$work/tree/root"
  for package in "$work"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$work/tree/root" || return 1
  done
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
