#!/bin/sh
# Builds a peer in Java, in the folder PEER, as the program OUT, with its jars in OUT.d: jvm.sh PEER OUT. Exit status
# 3: something that it needs is not installed.
set -eu
case $2 in /*) out=$2 ;; *) out=$PWD/$2 ;; esac
cd "$1"
for program in java javac mvn; do
  command -v $program >/dev/null || { echo "$(basename "$PWD"): $program is not installed" >&2; exit 3; }
done
rm -rf "$out.d"
mvn -q -B -Dout="$out.d" package dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$out.d/libs"
# A young generation that holds what is in flight: garbage is collected seldom, and little of it survives.
cat >"$out" <<END
#!/bin/sh
exec java -XX:+UseParallelGC -Xms768m -Xmx768m -Xmn512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$out.d/peer.jar:$out.d/libs/*" peer.Main "\$@"
END
chmod +x "$out"
