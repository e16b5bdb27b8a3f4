// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.file.Path;
import java.util.List;

/** Puts a Debian onto an empty disk. */
@FunctionalInterface
interface Installer {
    /**
     * Runs the installation to its end.
     *
     * @param initrd holds the packages, and the script that installs them
     * @param disk a file of zeroes; on failure it holds anything
     * @param packages what the script installs, to tell how far it is
     * @throws GuestException with what the installation said last, if it failed
     */
    void install(
            Path kernel,
            Path initrd,
            String commandLine,
            Path disk,
            List<AptPackage> packages,
            GuestProgress progress)
            throws GuestException;
}
