// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import org.jspecify.annotations.Nullable;

/** A near call: it remembers what stands behind it in its page. */
interface Caller {
    /** What stands behind it, if the CPU came back there before and it is in the same page. */
    @Nullable Node after();

    /** Sets {@link #after}. */
    void setAfter(@Nullable Node node);

    /** The offset of the first byte after the call. */
    int end();
}
