#!/bin/sh
# Inside a bare Debian, as root: installs one of the packages with what it depends on, and makes the demo with it.
#   package_install.sh wanbench_VERSION_ARCH.deb OUTPUT
#   package_install.sh wanbench-VERSION-SYSTEM-ARCH.tar.xz OUTPUT DEPENDENCIES    (as the .deb's Depends field names them)
# An OUTPUT of - makes no demo.
set -eu
package=$(readlink -f "$1") output=$2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
case "$package" in
  *.deb)
    apt-get install -y -q --no-install-recommends "$package"
    program=/usr/bin/wanbench
    ;;
  *.tar.xz)
    apt-get install -y -q --no-install-recommends xz-utils
    # "libfmt9 (>= 9.1.0), libc6" without the versions: one suite has one version.
    echo "$3" | tr ',' '\n' | sed 's/|.*//; s/(.*)//; s/ //g' | xargs apt-get install -y -q --no-install-recommends
    mkdir -p /opt/first
    tar -C /opt/first -xf "$package"
    mv /opt/first /opt/moved # it may stand anywhere
    program=$(echo /opt/moved/*/bin/wanbench)
    ;;
  *)
    echo "package_install: $package is neither a .deb nor a .tar.xz" >&2
    exit 2
    ;;
esac
rm -rf /var/lib/apt/lists/*
"$program" --version
[ "$output" = - ] || "$program" run --output "$output"
