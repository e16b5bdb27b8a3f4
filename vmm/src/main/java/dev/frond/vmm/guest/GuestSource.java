// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.file.Path;

/** Where a named guest comes from. */
interface GuestSource {
    /** As the user writes it; also a file name. */
    String name();

    /** One short line. */
    String description();

    /** The kernel command line that suits it. */
    String commandLine();

    /** Whether asking for its version takes no network and next to no time. */
    boolean isAtHand();

    /**
     * Finds out what would be made now.
     *
     * @param work an empty directory for everything in between, which the caller deletes
     */
    Plan plan(Path work, GuestProgress progress) throws GuestException;

    /** A guest of a certain version, about to be made. */
    interface Plan {
        /** The version, fit for a file name. */
        String version();

        /** Makes the kernel and the initramfs; both files do not exist yet. */
        void make(Path kernel, Path initrd, GuestProgress progress)
                throws GuestException, IOException;
    }
}
