#!/bin/sh
# Builds the peer as the program OUT and prints its libraries: ./build.sh OUT. Exit status 3: something that it needs is not installed.
set -eu
case $1 in /*) out=$1 ;; *) out=$PWD/$1 ;; esac
cd "$(dirname "$0")"
for program in g++ make; do
  command -v $program >/dev/null || { echo "$(basename "$PWD"): $program is not installed" >&2; exit 3; }
done
for header in librdkafka/rdkafka.h:librdkafka-dev simdjson.h:libsimdjson-dev maxminddb.h:libmaxminddb-dev; do
  echo "#include <${header%:*}>" | g++ -std=c++17 -fsyntax-only -x c++ - 2>/dev/null || {
    echo "$(basename "$PWD"): ${header%:*} is not installed (Debian's ${header#*:})" >&2
    exit 3
  }
done
make -s -B CXX=g++ OUT="$out"
"$out" -version
