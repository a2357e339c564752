#!/bin/bash
# The folder of :gpu_bundle is small, links no more than glibc, and works where it is copied to.

set -u
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -rL "$1/." "$folder"

cd "$folder" || exit
size=$(du -s --apparent-size -B1000 "$folder" | cut -f1)
echo "$size kB"
((size < 60000)) || fail "$size kB; to be less than 60 MB"

for program in palimpsest benchmarks/* tests/*; do
  for library in $(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    case $library in
      ld-linux-x86-64.so.2 | libc.so.6 | libdl.so.2 | libm.so.6 | libpthread.so.0 | librt.so.1) ;;
      *) fail "$program needs $library" ;;
    esac
  done
done

cd /
env -i "$folder/palimpsest" rules >/dev/null || fail "palimpsest rules"
env -i PATH=/usr/bin:/bin "$folder/run_all" --only='*/TriSolveTest' >"$folder/out" 2>&1 ||
  fail "run_all: $(tail "$folder/out")"
grep -q '^Devices/TriSolveTest  *[12] ' "$folder/out" || fail "no row: $(tail "$folder/out")"
env -i PATH=/usr/bin:/bin "$folder/run_all" --only='*/LinearChunkDevice' >"$folder/parts" 2>&1 ||
  fail "run_all: $(tail "$folder/parts")"
grep -q '^Devices/LinearChunkDevice.002 ' "$folder/parts" || fail "one part: $(tail "$folder/parts")"
grep -q '^all tests ' "$folder/out" || fail "no sum: $(tail "$folder/out")"

exit $((failures > 0))
