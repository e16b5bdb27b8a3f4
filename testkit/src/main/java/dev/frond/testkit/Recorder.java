// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import java.util.List;

/** A collaborator of a device that remembers what the device did to it. */
public interface Recorder {
    /** What happened so far, oldest first, in words; a view that grows. */
    List<String> events();

    /** What stands now, such as the level of a wire, in words; empty if nothing does. */
    default String standing() {
        return "";
    }
}
