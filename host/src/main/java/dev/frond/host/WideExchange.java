// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The host's LOCK CMPXCHG16B, since Java has no atomic exchange of 16 bytes. For one thread. */
public final class WideExchange {
    static final String CODE_TEXT =
            """
                                   | exchange:
            53                     |     push rbx
            488B06                 |     mov rax, [rsi]
            488B5608               |     mov rdx, [rsi + 8]
            488B5E10               |     mov rbx, [rsi + 16]
            488B4E18               |     mov rcx, [rsi + 24]
            F0480FC70F             |     lock cmpxchg16b [rdi]
            488906                 |     mov [rsi], rax
            48895608               |     mov [rsi + 8], rdx
            0F94C0                 |     sete al
            0FB6C0                 |     movzx eax, al
            5B                     |     pop rbx
            C3                     |     ret
            """;

    private static final int VALUES = 32;

    private final MemorySegment values = Arena.ofAuto().allocate(VALUES, 16);
    private final NativeFunction code = Routine.get();

    private WideExchange() {}

    /** Whether there is such an instruction, and this process may execute code of its own. */
    public static boolean isSupported() {
        return HostCpu.isX86Linux()
                && ExecutableMemory.isPermitted()
                && HostCpu.has(HostCpu.Feature.CMPXCHG16B);
    }

    /** One for the calling thread; {@link #isSupported} must hold. */
    public static WideExchange create() {
        return new WideExchange();
    }

    /**
     * Stores two longs, low one first, at the host's address {@code at}, a multiple of 16, if two
     * others stand there; atomic towards every access. Returns whether they did.
     */
    public boolean compareAndExchange(long at, long low, long high, long newLow, long newHigh) {
        values.set(JAVA_LONG, 0, low);
        values.set(JAVA_LONG, 8, high);
        values.set(JAVA_LONG, 16, newLow);
        values.set(JAVA_LONG, 24, newHigh);
        return code.call(at, values.address()) != 0;
    }

    /** The low half of what {@link #compareAndExchange} found. */
    public long foundLow() {
        return values.get(JAVA_LONG, 0);
    }

    /** The high half of what {@link #compareAndExchange} found. */
    public long foundHigh() {
        return values.get(JAVA_LONG, 8);
    }

    /** The machine code, in memory that lives as long as the process. */
    private static final class Routine {
        private static @Nullable NativeFunction instance;

        private static synchronized NativeFunction get() {
            NativeFunction known = instance;
            if (known == null) {
                MachineText text = MachineText.of(CODE_TEXT);
                ExecutableMemory memory =
                        ExecutableMemory.allocate(
                                Libc.pageSize(), 0, ExecutableMemory.Placement.ANYWHERE);
                memory.code().copyFrom(MemorySegment.ofArray(text.code()));
                known = NativeFunction.at(memory.address() + text.offset("exchange"));
                instance = known;
            }
            return known;
        }
    }
}
