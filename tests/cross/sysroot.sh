#!/usr/bin/env bash
# Makes a folder of arm64 Debian libraries and headers to build against and to run with qemu, and prints its path.
# It lives in the cache folder; dpkg of this machine is not touched: apt works on a state of its own in there,
# with this machine's own Debian source and the suites trixie and trixie-backports. No root needed.
set -euo pipefail
CACHE="${SEAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/seam}"
ROOT="$CACHE/aarch64-sysroot"
WANTED=(libggml-dev libyyjson-dev libfabric-dev libsodium-dev libmicrohttpd-dev libpcre2-dev libutf8proc-dev libcyaml-dev libyaml-dev libxxhash-dev
    libcurl4-openssl-dev libsqlite3-dev
    libcmocka-dev libc6-dev libgcc-s1 libstdc++6)
STAMP="${WANTED[*]} v2"

say() { echo "sysroot: $*" >&2; }

if [ "$(cat "$ROOT/.made-for" 2>/dev/null)" = "$STAMP" ]; then echo "$ROOT"; exit 0; fi

command -v apt-get >/dev/null || { say "this is made from Debian packages and needs apt"; exit 1; }
stanza=
for file in /etc/apt/sources.list.d/seam-trixie.sources /etc/apt/sources.list.d/debian.sources; do
    [ -e "$file" ] || continue
    # The first stanza, its comments and suites left out.
    stanza="$(awk -v RS= 'NR == 1 { n = split($0, l, "\n")
        for (i = 1; i <= n; i++) if (l[i] !~ /^(#|Suites:|Architectures:)/) print l[i] }' "$file")"
    break
done
[ -n "$stanza" ] || { say "found no Debian source to copy; on Debian run 'make setup' first"; exit 1; }

APT="$CACHE/apt-arm64"
rm -rf "$APT" "$ROOT"
mkdir -p "$APT"/{lists/partial,archives/partial,etc/preferences.d} "$ROOT"
: >"$APT/status"
printf '%s\nSuites: trixie trixie-backports\nArchitectures: arm64\n' "$stanza" >"$APT/etc/arm64.sources"
printf 'Package: libggml*\nPin: release n=trixie-backports\nPin-Priority: 990\n' >"$APT/etc/preferences.d/ggml"
apt_arm64() {
    local verb="$1"
    shift
    apt-get -q -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1 \
        -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
        -o Dir::State="$APT" -o Dir::State::lists="$APT/lists" -o Dir::State::status="$APT/status" \
        -o Dir::Cache="$APT" -o Dir::Cache::archives="$APT/archives" \
        -o Dir::Etc::sourcelist="$APT/etc/arm64.sources" -o Dir::Etc::sourceparts=/nonexistent \
        -o Dir::Etc::preferences=/nonexistent -o Dir::Etc::preferencesparts="$APT/etc/preferences.d" \
        "$verb" "$@" </dev/null >&2
}
say "fetching arm64 packages for ${WANTED[*]}"
apt_arm64 update
apt_arm64 install --download-only "${WANTED[@]}"
# Debian 13 keeps everything under usr; the links come first, so that packages which still say /lib land there.
mkdir -p "$ROOT/usr/lib" "$ROOT/usr/bin" "$ROOT/usr/sbin"
for d in lib bin sbin; do ln -s "usr/$d" "$ROOT/$d"; done
for deb in "$APT"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -C "$ROOT" -x --keep-directory-symlink --no-same-owner --no-same-permissions
done
# Absolute links would lead out of the folder.
find "$ROOT/usr/lib" -type l -lname '/*' | while read -r link; do
    ln -sf "$(realpath -m --relative-to="$(dirname "$link")" "$ROOT$(readlink "$link")")" "$link"
done
rm -rf "$APT"
echo "$STAMP" >"$ROOT/.made-for"
say "$(du -sh "$ROOT" | cut -f1) in $ROOT"
echo "$ROOT"
