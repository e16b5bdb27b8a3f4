// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.file.Path;

/**
 * A guest that is there, ready to run.
 *
 * @param name as the user writes it
 * @param version what it is made of; another version is another guest
 * @param kernel a Linux bzImage
 * @param initrd its initramfs, a cpio archive
 * @param commandLine what the kernel is told when the user says nothing else
 * @param size what it takes in the cache, in bytes
 */
public record Guest(
        String name, String version, Path kernel, Path initrd, String commandLine, long size) {}
