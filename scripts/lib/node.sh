#!/usr/bin/env bash
# Sourced after shell.sh: installs the project's packages if they are not there, and puts the Node 24
# that they bring first on PATH. A machine needs only some Node with npm. In the same moment it looks
# once for a native libsecp256k1, which is faster and may be missing.
# shellcheck shell=bash

have node npm || fail 1 "Node.js with npm is needed: see https://nodejs.org"

STAMP="$PROJECT_ROOT/node_modules/.installed"
if [[ ! -f "$STAMP" || "$PROJECT_ROOT/package-lock.json" -nt "$STAMP" ]]; then
  say "installing packages"
  (cd "$PROJECT_ROOT" && npm install --no-save --loglevel=error) >&2 || fail 1 "npm install failed"
  touch "$STAMP"
  "$PROJECT_ROOT/scripts/libsecp256k1" --print >/dev/null ||
    say "libsecp256k1 not available: using the slower WASM build"
fi
export PATH="$PROJECT_ROOT/node_modules/.bin:$PATH"
