#!/usr/bin/env bash
# Installs the tar.xz and the .deb of FOLDER each into an empty Debian of its own and makes the demo there. Needs root (a chroot),
# debootstrap, and the archive that apt is set up with. Says sizes and times, and fails on what must not be in a package.
# Usage: tools/package_test.sh FOLDER [BASE]    BASE: an empty Debian made before (debootstrap --variant=minbase), which is copied
set -euo pipefail
folder=$(readlink -f "${1:?usage: tools/package_test.sh FOLDER [BASE]}")
source=$(readlink -f "$(dirname "$0")/..")
if [ "$(id -u)" != 0 ]; then exec sudo "$0" "$@"; fi

one_of() {
  local found=("$folder"/$1)
  if [ ${#found[@]} != 1 ] || [ ! -e "${found[0]}" ]; then
    echo "package_test: $folder has not one $1" >&2
    exit 1
  fi
  echo "${found[0]}"
}
deb=$(one_of 'wanbench_*.deb')
tarball=$(one_of 'wanbench-*.tar.xz')
depends=$(dpkg-deb -f "$deb" Depends)
echo "$(basename "$deb"): $(stat -c %s "$deb") bytes; needs $depends"
echo "$(basename "$tarball"): $(stat -c %s "$tarball") bytes"

work=$(mktemp -d)
trap 'umount -q "$work"/*/proc 2>/dev/null || true; rm -rf "$work"' EXIT

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
if [ -n "${2:-}" ]; then
  cp -a "$2" "$work/base"
else
  # The first archive of apt's own configuration that has this system's release, with the components that apt uses of it.
  read -r archive components < <(apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
    awk -v name="$codename" '$1 == name {if (!uri) uri = $2; if ($2 == uri) list = list "," $3} END {print uri, substr(list, 2)}')
  command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap
  started=$SECONDS
  debootstrap --variant=minbase --components="$components" "$codename" "$work/base" "${archive:?apt has no archive of $codename}" >"$work/log" ||
    { tail -20 "$work/log" >&2; exit 1; }
  echo "an empty $codename: $((SECONDS - started)) s, $(du -sm "$work/base" | cut -f1) MB"
fi
# and apt's proxy, where it has one
apt-config dump | grep -iE '^Acquire::https?::Proxy' >"$work/base/etc/apt/apt.conf.d/90proxy" || true

check_contents() { # what is installed below $1
  local unwanted
  unwanted=$(find "$1" -iname '*cudart*' -o -iname '*cublas*' -o -iname '*cudnn*.so*' -o -iname '*nvrtc*' -o -iname '*cupti*.so*' -o -name '*.a')
  [ -z "$unwanted" ] || { echo "package_test: not to be in a package: $unwanted" >&2; exit 1; }
  for wanted in bin/wanbench share/man/man1/wanbench.1 share/bash-completion/completions/wanbench share/zsh/site-functions/_wanbench \
    share/fish/vendor_completions.d/wanbench.fish share/doc/wanbench/copyright share/doc/wanbench/LICENSE share/wanbench/checkpoint \
    share/doc/wanbench/licenses/nlohmann-json3-dev share/doc/wanbench/licenses/libcli11-dev share/wanbench/suites/quick.json; do
    [ -e "$1/$wanted" ] || { echo "package_test: $wanted is missing" >&2; exit 1; }
  done
  if grep -rlF -e "$source/" "$1"; then
    echo "package_test: these name the folder they were built in" >&2
    exit 1
  fi
}

try() { # package, what package_install.sh is told besides
  local root started=$SECONDS name
  name=$(basename "$1") root=$work/root
  cp -a "$work/base" "$root"
  mount -t proc proc "$root/proc"
  cp "$1" "$source/tools/package_install.sh" "$root/tmp/"
  chroot "$root" /tmp/package_install.sh "/tmp/$name" - "${@:2}" >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; exit 1; }
  local installed=$((SECONDS - started))
  local program
  program=$(echo "$root"/usr/bin/wanbench "$root"/opt/moved/*/bin/wanbench | tr ' ' '\n' | xargs -I{} sh -c 'test -x {} && echo {} || true')
  started=$SECONDS
  chroot "$root" "${program#"$root"}" run --output /tmp/demo >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; exit 1; }
  local videos
  videos=$(find "$root/tmp/demo/videos" -name '*.mp4' -size +1k | wc -l)
  [ "$videos" = 3 ] && [ -s "$root/tmp/demo/report.html" ] || { echo "package_test: $name made $videos videos of 3" >&2; exit 1; }
  echo "$name: installed in $installed s (root of $(du -smx "$root" | cut -f1) MB), demo of $videos videos and a report in $((SECONDS - started)) s"
  umount "$root/proc"
  rm -rf "$root"
}

mkdir "$work/deb" "$work/tar"
dpkg-deb -x "$deb" "$work/deb"
tar -C "$work/tar" -xf "$tarball"
check_contents "$work/deb/usr"
check_contents "$(echo "$work"/tar/*)"
try "$deb"
try "$tarball" "$depends"
echo "package_test: both packages work in an empty $codename"
