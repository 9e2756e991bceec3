#!/usr/bin/env bash
# Runs a command on a host with /dev/kvm that QEMU emulates: TCG has AMD's SVM with nested paging. For tests of KVM where this
# host has none. Every instruction is translated, so that it takes ten times as long, and times say nothing about any hardware.
#
#   run.sh COMMAND [ARGUMENT...]   in the folder where it is called; ends with the command's exit code
#
# The emulated host sees this host's files, read-only, and writes to a layer above them in its memory, which is lost.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=${LAZYRESTORE_EMULATED_HOST:-$here/../../node_modules/.cache/emulated-host}
limit_s=${LAZYRESTORE_EMULATED_LIMIT_S:-2400}
root=$folder/root
# The QEMU that is fetched runs on the libraries of the one that is installed.
if ! command -v qemu-system-x86_64 >/dev/null; then
  echo 'emulated host: found no qemu-system-x86_64; run as root: apt-get install qemu-system-x86' >&2
  exit 1
fi
[ -d "$root" ] || bash "$here/fetch.sh" "$folder"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The initramfs: busybox, the modules, and what to run. Modules are unpacked: busybox knows fewer compressions than kernels.
kernel=$(ls "$root/lib/modules")
modules=$root/lib/modules/$kernel
drivers='virtio_pci 9pnet_virtio 9p overlay kvm-amd'
tree=$work/initramfs
mkdir -p "$tree"/{bin,proc,sys,dev,below,layer,root} "$tree/lib/modules/$kernel"
cp "$root/bin/busybox" "$tree/bin/"
cp "$here/init" "$tree/init"
chmod +x "$tree/init"
for name in $drivers; do
  grep -E "/$name\.ko[^:]*:" "$modules/modules.dep" | tr -d : | tr ' ' '\n' || true # or it is built in
done | sort -u | (cd "$modules" && xargs cp --parents -t "$tree/lib/modules/$kernel")
find "$tree/lib" -name '*.xz' -exec xz --decompress {} +
cp "$modules"/modules.{order,builtin} "$tree/lib/modules/$kernel/"
"$root/bin/busybox" depmod -b "$tree" "$kernel"
{
  printf 'cd %q\n' "$PWD"
  printf 'export HOME=/root CI=true TERM=dumb NO_COLOR=1 LAZYRESTORE_REQUIRE_ALL=1 PATH=%q\n' "$PATH"
  printf '%q ' "$@"
} >"$tree/command"
echo "$drivers" >"$tree/drivers"
(cd "$tree" && find . | "$root/bin/cpio" --create --format=newc --quiet) >"$work/initramfs.cpio"

# Devices that would load modules of another build of QEMU are left out.
timeout "$limit_s" "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
  -nodefaults -display none -vga none -serial stdio -no-reboot \
  -machine q35 -accel tcg,thread=multi,tb-size=1024 -cpu max,la57=off -smp 2 -m "${LAZYRESTORE_EMULATED_MEMORY:-8G}" \
  -kernel "$root/boot/vmlinuz-$kernel" -initrd "$work/initramfs.cpio" \
  -append 'console=ttyS0 quiet mitigations=off panic=-1' \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  </dev/null | sed -u 's/\r$//' | tee "$work/console" || true

status=$(sed -n 's/^emulated host: exit //p' "$work/console" | tail -n 1)
if [ -z "$status" ]; then
  echo "emulated host: found no end of the command in $limit_s s, or before the emulated host died" >&2
  exit 1
fi
exit "$status"
