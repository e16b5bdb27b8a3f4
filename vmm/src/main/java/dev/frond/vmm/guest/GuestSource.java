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

    /** Changes when this Frond would make another guest of the same parts; fit for a file name. */
    String recipe() throws IOException;

    /** Whether asking for its version takes no network and next to no time. */
    boolean isAtHand();

    /** Whether it comes with a root disk. */
    boolean hasDisk();

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

        /** Makes the files, none of which exists yet. */
        void make(Made made, GuestProgress progress) throws GuestException, IOException;
    }

    /**
     * Where the files of a guest go.
     *
     * @param disk the root disk, of guests that have one
     */
    record Made(Path kernel, Path initrd, Path disk) {}
}
