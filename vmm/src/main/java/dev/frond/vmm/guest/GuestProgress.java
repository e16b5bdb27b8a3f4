// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

/** Is told how the work on a guest goes on; called from one thread. */
public interface GuestProgress {
    /**
     * A phase begins, or something happened that the user should know; one line without a full
     * stop.
     */
    void step(String what);

    /**
     * A transfer goes on: told at its start with 0, a few times a second, and at its end with
     * {@code total}.
     *
     * @param what what is transferred, a few words
     * @param bytes how much has arrived
     * @param total how much there is, in bytes
     */
    void transferred(String what, long bytes, long total);

    /**
     * Work other than a transfer goes on: told at its start with 0, a few times a second, and at
     * its end with {@code total}.
     *
     * @param what what is done, a few words that begin with a capital letter
     */
    void worked(String what, int done, int total);

    /** Tells nobody. */
    GuestProgress SILENT =
            new GuestProgress() {
                @Override
                public void step(String what) {}

                @Override
                public void transferred(String what, long bytes, long total) {}

                @Override
                public void worked(String what, int done, int total) {}
            };
}
