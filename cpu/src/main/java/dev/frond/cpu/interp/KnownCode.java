// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import org.jspecify.annotations.Nullable;

/** What an instruction pointer was last found to mean. */
final class KnownCode {
    long rip;

    /** The generation of the address space, or of global pages, and the mode. */
    long tag = -1;

    @Nullable Node node;
    CodePage page = CodePage.NONE;
}
