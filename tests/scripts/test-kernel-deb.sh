#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make kernel-deb, up to the build: each of Debian's configurations accepts the options that an accelerated SMMUv3 needs,
# and an option that the kernel does not accept is an error.
. "$(dirname "${BASH_SOURCE[0]}")/toy.sh"

cd "$TOP" || exit
mkdir -p "$BUILD"
for flavour in arm64 cloud-arm64 arm64-16k; do
    expect "$flavour: Debian's configuration accepts our options" 0 "/$flavour/.config" scripts/kernel-deb --config "$flavour"
    config=$BUILD/kernel-deb/$flavour/.config
    for line in CONFIG_IOMMUFD=m CONFIG_VFIO_DEVICE_CDEV=y CONFIG_ARM_SMMU_V3_IOMMUFD=y CONFIG_VFIO_GROUP=y \
        "CONFIG_LOCALVERSION=\"-iommufd-$flavour\"" CONFIG_DEBUG_INFO_NONE=y; do
        expect "$flavour: $line" 0 '' grep -qxF "$line" "$config"
    done
done
expect 'arm64-16k has pages of 16 KiB' 0 '' grep -qx CONFIG_ARM64_16K_PAGES=y "$BUILD/kernel-deb/arm64-16k/.config"
expect 'arm64 has thousands of modules, like Debian'"'"'s configuration' 0 '^[3-9]...$' grep -c '=m$' "$BUILD/kernel-deb/arm64/.config"

printf 'CONFIG_IOMMUFD_OF_NO_KERNEL=y\n' >"$WORK/wrong.config"
expect 'an unknown symbol is named' 1 '^  CONFIG_IOMMUFD_OF_NO_KERNEL=y$' \
    scripts/kernel-deb --config --fragment "$WORK/wrong.config" arm64
printf 'CONFIG_IOMMUFD=n\n' >"$WORK/off.config"
expect 'a fragment of the user that turns off a required option is refused' 1 'CONFIG_IOMMUFD=m' \
    scripts/kernel-deb --config --fragment "$WORK/off.config" arm64
printf 'vfio_pci\niommufd\n' >"$WORK/few.modules"
expect '--modules works' 0 '' scripts/kernel-deb --config --modules "$WORK/few.modules" arm64
expect 'it leaves few modules' 0 '^[0-9]{1,3}$' grep -c '=m$' "$BUILD/kernel-deb/arm64/.config"
expect 'it keeps the modules of the list' 0 '' grep -qx CONFIG_IOMMUFD=m "$BUILD/kernel-deb/arm64/.config"
finish
