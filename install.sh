#!/bin/sh
# Installs the binary of an acme release after verifying its checksum, and its attestation if `gh` is installed and signed in.
#
#   curl --proto '=https' --tlsv1.2 -fsSL https://github.com/example/acme/releases/latest/download/install.sh | sh
#
# It needs curl, tar, and sha256sum or shasum. `--help` shows the options.
set -eu

usage() {
    cat << 'END'
Installs the binary of an acme release after verifying its checksum, and its attestation if gh is installed and signed in.

Usage: install.sh [OPTIONS], or: curl … | sh -s -- [OPTIONS]

  --version VERSION   default: the latest release
  --to DIR            default: /usr/local/bin if writable, otherwise ~/.local/bin
  --from URL          location of the releases; default: https://github.com/example/acme/releases
  --help              show this
END
}

version=latest
to=
from=${ACME_RELEASES:-https://github.com/example/acme/releases}
while [ $# -gt 0 ]; do
    case $1 in
        --version) version=${2:?--version requires a version}; shift 2 ;;
        --to) to=${2:?--to requires a folder}; shift 2 ;;
        --from) from=${2:?--from requires a URL}; shift 2 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "install.sh: unknown argument: $1 (--help shows the options)" >&2; exit 2 ;;
    esac
done

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

case $(uname -s) in
    Linux) system=unknown-linux-musl ;;
    Darwin) system=apple-darwin ;;
    *) fail "there is no binary for $(uname -s): build it with cargo install --git https://github.com/example/acme" ;;
esac
case $(uname -m) in
    x86_64 | amd64) machine=x86_64 ;;
    aarch64 | arm64) machine=aarch64 ;;
    *) fail "there is no binary for $(uname -m): build it with cargo install --git https://github.com/example/acme" ;;
esac

case $from in
    https://*) protocols='=https' ;;
    file://*) protocols='=file' ;;
    *) fail "--from must begin with https:// or file://" ;;
esac
# Only curl can refuse a redirect to a place without encryption, so wget does not do.
for tool in curl tar; do
    command -v "$tool" > /dev/null || fail "it needs $tool: install $tool, for example with apt-get, dnf, apk or brew, and run this again"
done
command -v sha256sum > /dev/null || command -v shasum > /dev/null || fail "it needs sha256sum or shasum: install one of them, and run this again"
archive=acme-$machine-$system.tar.gz
case $version in
    latest) address=$from/latest/download ;;
    *) address=$from/download/v${version#v} ;;
esac
if [ -z "$to" ]; then
    to=/usr/local/bin
    [ -w "$to" ] || to=$HOME/.local/bin
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
get() {
    curl --proto "$protocols" --proto-redir '=https' --tlsv1.2 -fsSL --retry 3 -o "$work/$1" "$address/$1" || fail "can't download $address/$1"
}
get "$archive"
get SHA256SUMS
# A line of the list has a checksum, two spaces and a file name.
grep "  $archive\$" "$work/SHA256SUMS" > "$work/expected" || fail "SHA256SUMS does not list $archive"
if command -v sha256sum > /dev/null; then
    (cd "$work" && sha256sum -c expected > /dev/null 2>&1) || fail "the checksum of $archive does not match; nothing was installed"
else
    (cd "$work" && shasum -a 256 -c expected > /dev/null 2>&1) || fail "the checksum of $archive does not match; nothing was installed"
fi
# The checksum is from the same place as the archive. The attestation proves that the release workflow of the repository built it.
case $from in
    https://github.com/*/releases)
        repository=${from#https://github.com/}
        repository=${repository%/releases}
        if command -v gh > /dev/null && gh auth status > /dev/null 2>&1; then
            gh attestation verify "$work/$archive" --repo "$repository" --signer-workflow "$repository/.github/workflows/release.yml" \
                > /dev/null 2>&1 || fail "the attestation of $archive is not valid; nothing was installed"
        else
            echo "The attestation was not verified: it needs gh, signed in." >&2
        fi
        ;;
esac
tar -xzf "$work/$archive" -C "$work" acme
mkdir -p "$to"
install -m 755 "$work/acme" "$to/acme"
echo "Installed $("$to/acme" --version) into $to."
case :$PATH: in
    *:"$to":*) ;;
    *)
        if [ -n "${GITHUB_PATH:-}" ]; then
            echo "$to" >> "$GITHUB_PATH"
        else
            line="export PATH=\"$to:\$PATH\""
            shell=${SHELL:-sh}
            case ${shell##*/} in
                fish) line="fish_add_path $to" profile= ;;
                zsh) profile=~/.zshrc ;;
                bash) profile=~/.bashrc ;;
                *) profile=~/.profile ;;
            esac
            echo "The folder is not in your PATH. To use acme in this shell, run:"
            echo "  $line"
            [ -z "$profile" ] || echo "and add that line to $profile for others."
        fi
        ;;
esac
