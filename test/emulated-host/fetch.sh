#!/usr/bin/env bash
# Fetches what an emulated host is made of from Debian's packages, and unpacks it; nothing is installed.
#
#   fetch.sh FOLDER   FOLDER/root has boot/vmlinuz-*, lib/modules, usr/bin/qemu-system-x86_64, bin/busybox, bin/cpio
#
# From the backports of the release that this host is: the kernel has to know UFFDIO_POISON (6.6), and under QEMU 7.2 a
# kernel that changes its own code on two CPUs dies (int3 in finish_task_switch), under 10.0 it does not.
set -euo pipefail

folder=$1
fail() { echo "emulated host: $*" >&2; exit 1; }

[ "$(uname -m)" = x86_64 ] || fail "found a host of $(uname -m), expected x86_64"
command -v apt-get >/dev/null || fail "found no apt-get, expected Debian; or unpack a kernel, QEMU, busybox and cpio to $folder/root"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
archive=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $codename" 'Component: main' | head -n 1)
[ -n "$archive" ] || fail "found no package list of '$codename', expected one; run: apt-get update"

mkdir -p "$folder"/lists/partial "$folder"/packages
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $codename main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $codename-backports main" >"$folder/sources.list"
options=(-qq -t "$codename-backports" -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=-
  -o "Dir::State::Lists=$folder/lists" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
kernel=$(apt-cache "${options[@]}" depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
[ -n "$kernel" ] || fail "found no linux-image-amd64 in $codename-backports"
(cd "$folder/packages" && apt-get "${options[@]}" download \
  "$kernel" qemu-system-x86 qemu-system-common qemu-system-data seabios busybox-static cpio)

# Whole or not at all, so that a run that was ended is done again.
rm -rf "$folder/unpacking" "$folder/root"
for package in "$folder"/packages/*.deb; do dpkg-deb --extract "$package" "$folder/unpacking"; done
"$folder/unpacking/bin/busybox" depmod -b "$folder/unpacking" "$(ls "$folder/unpacking/lib/modules")"
mv "$folder/unpacking" "$folder/root"
rm -rf "$folder/packages" "$folder/lists"
