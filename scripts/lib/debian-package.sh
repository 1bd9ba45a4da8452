#!/usr/bin/env bash
# Fetches packages from Debian's archive and unpacks them into a folder, through the system's apt but
# with lists, status and cache of its own: nothing is installed, no file outside the folder is
# written, root is not needed. apt checks the archive's signature and every package's hash.
# Sourced after shell.sh.
# shellcheck shell=bash

DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
DEBIAN_DEFAULT_MIRROR=http://deb.debian.org/debian
# Needed only to set a package up as a system service, which is not done here.
DEBIAN_UNNEEDED='debconf systemd'
# How long a silent mirror is waited for, and how often again. Callers may set others.
DEBIAN_TIMEOUT_SECONDS=30
DEBIAN_RETRIES=3

# debian_obstacle: prints why packages cannot be had on this machine; nothing when they can.
debian_obstacle() {
  if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    echo "Debian's packages are used on x86-64 Linux only, this is $(uname -s) $(uname -m)"
  elif ! have apt-get apt-cache apt-config dpkg-deb flock; then
    echo "apt-get, dpkg-deb and flock are needed to fetch Debian's package"
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

# debian_open FOLDER SUITE: an apt that sees only FOLDER, with SUITE's lists fetched; how archives are
# reached (the proxy, and whether the host trusts release files past their date) is the host's choice.
debian_open() {
  local apt="$1" suite="$2" name
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
  echo "deb [arch=amd64 signed-by=$DEBIAN_KEYRING] $(debian_mirror) $suite main" \
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
Acquire::Retries "$DEBIAN_RETRIES";
Acquire::http::Timeout "$DEBIAN_TIMEOUT_SECONDS";
Acquire::https::Timeout "$DEBIAN_TIMEOUT_SECONDS";
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
  debian_run_apt "$apt" update
}

# debian_run_apt FOLDER ARGUMENT…: apt-get, which says nothing but why it fails. Packages land in
# FOLDER's cache.
debian_run_apt() {
  local apt="$1"
  shift
  if ! (cd "$apt/cache/archives" && APT_CONFIG="$apt/apt.conf" apt-get -q -y "$@") \
    >"$apt/log" 2>&1; then
    grep -m 1 '^E: ' "$apt/log" >&2 || cat "$apt/log" >&2
    return 1
  fi
}

# debian_package_names FOLDER PREFIX: the names in the suite that start so, one a line.
debian_package_names() {
  APT_CONFIG="$1/apt.conf" apt-cache pkgnames "$2"
}

# debian_unpack FOLDER TREE: every package fetched into FOLDER, unpacked into TREE.
debian_unpack() {
  local package
  mkdir -p "$2"
  for package in "$1"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$2" || return 1
  done
}
