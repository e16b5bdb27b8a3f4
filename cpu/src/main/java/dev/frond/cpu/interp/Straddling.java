// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

/**
 * Stands in a page for an instruction that begins there and reaches into the next page: what it is
 * depends on the next page, too, and is looked up by the instruction pointer.
 */
final class Straddling extends Continue {
    Straddling(int offset) {
        super(offset);
    }

    @Override
    boolean mayBeNear() {
        return false;
    }
}
