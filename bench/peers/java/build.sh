#!/bin/sh
# Builds the peer as the program OUT: ./build.sh OUT; see ../jvm.sh.
here=$(dirname "$0")
exec sh "$here/../jvm.sh" "$here" "$1"
