// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.file.Path;
import java.util.Optional;

/**
 * A guest that is there, ready to run.
 *
 * @param name as the user writes it
 * @param version what it is made of; another version is another guest
 * @param kernel what to start: the kernel as an ELF file for PVH where it could be taken out of the
 *     bzImage, so that the guest need not decompress it; else the bzImage
 * @param bzImage the same kernel as it was packaged
 * @param initrd its initramfs, a cpio archive
 * @param disk its root disk, never to be written
 * @param commandLine what the kernel is told when the user says nothing else
 * @param size what it takes in the cache, in bytes
 */
public record Guest(
        String name,
        String version,
        Path kernel,
        Path bzImage,
        Path initrd,
        Optional<Path> disk,
        String commandLine,
        long size) {}
