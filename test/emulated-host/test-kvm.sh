#!/usr/bin/env bash
# Runs the tests that are tagged `kvm`, or those of them in some folders, on an emulated host. Without those whose guest is
# shut down: after some of QEMU's emulated shutdowns the kernel finds its stack overwritten (shutdown_interception).
#
#   test-kvm.sh [FOLDER...]
set -euo pipefail
cd "$(dirname "$0")/../.."
# The files by name: to find the tags, the emulated host would have to load all of them.
mapfile -t files < <(grep -rlE "@module-tag kvm|tags: \['kvm'\]" --include='*.test.ts' "${@:-test}")
exec bash test/emulated-host/run.sh npx vitest run --tags-filter 'kvm and not shutdown' "${files[@]}"
