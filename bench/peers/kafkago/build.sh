#!/bin/sh
# Builds the peer as the program OUT: ./build.sh OUT. Exit status 3: something that it needs is not installed.
set -eu
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "$(basename "$PWD"): go is not installed" >&2; exit 3; }
exec go build -o "$out" .
