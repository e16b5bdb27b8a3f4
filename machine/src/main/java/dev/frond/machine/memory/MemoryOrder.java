// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.lang.invoke.VarHandle;
import java.util.Locale;

/**
 * The order of x86 processors for plain accesses to guest memory (SDM Vol. 3A, 9.2.2): every load
 * acquires and every store releases. Hosts whose processors order less need a fence at each access,
 * since misaligned accesses have no ordered mode; on x86-64 there is nothing to do, and the
 * compiler drops the calls. Between instructions the compiler itself reorders nothing: each is a
 * call that it cannot see through.
 */
public final class MemoryOrder {
    /** Whether the host's processor may reorder what those of x86 do not. */
    private static final boolean WEAK = isWeak(System.getProperty("os.arch", ""));

    private MemoryOrder() {}

    static boolean isWeak(String architecture) {
        return switch (architecture.toLowerCase(Locale.ROOT)) {
            case "amd64", "x86_64", "x86", "i386" -> false;
            default -> true;
        };
    }

    /** After a load: no later access comes before it. */
    public static void loaded() {
        if (WEAK) {
            VarHandle.acquireFence();
        }
    }

    /** Before a store: no earlier access comes after it. */
    public static void storing() {
        if (WEAK) {
            VarHandle.releaseFence();
        }
    }
}
