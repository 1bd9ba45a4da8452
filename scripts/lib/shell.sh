#!/usr/bin/env bash
# Shared by the scripts of this folder; sourced, never run. Sets PROJECT_ROOT and strict mode.
# shellcheck shell=bash
set -euo pipefail

PROJECT_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
SCRIPT_NAME="$(basename "$0")"

# say TEXT…: progress for people, on standard error so that standard output stays for results.
say() {
  printf '%s: %s\n' "$SCRIPT_NAME" "$*" >&2
}

# fail EXIT_CODE TEXT…: says why and ends the script.
fail() {
  local code="$1"
  shift
  say "$*"
  exit "$code"
}

# have PROGRAM…: true when every program is on PATH.
have() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || return 1
  done
}

# take_lock FILE SECONDS: holds FILE exclusively until the script ends; waits at most SECONDS.
# The kernel drops the lock with the process, so a killed script leaves nothing to clean up.
take_lock() {
  exec 9>"$1"
  flock --wait "$2" 9 || fail 3 "another process has held $1 for $2 seconds"
}
