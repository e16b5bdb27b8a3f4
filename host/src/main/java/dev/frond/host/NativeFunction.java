// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * Machine code at an address, called as a C function {@code long f(long, long)} (System V ABI). The
 * calling thread counts as being in native code, so a garbage collection does not wait for it; the
 * call costs about ten nanoseconds.
 */
public final class NativeFunction {
    @SuppressWarnings("restricted") // This room is the one that may link native functions.
    private static final MethodHandle CALL =
            Linker.nativeLinker()
                    .downcallHandle(FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG));

    private final MemorySegment target;

    private NativeFunction(MemorySegment target) {
        this.target = target;
    }

    /** The function at this address; what is there must be code that keeps to the ABI. */
    public static NativeFunction at(long address) {
        return new NativeFunction(MemorySegment.ofAddress(address));
    }

    /** Calls it with two arguments (RDI and RSI on x86-64); the result is RAX. */
    public long call(long first, long second) {
        try {
            return (long) CALL.invokeExact(target, first, second);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable impossible) {
            throw new AssertionError(impossible);
        }
    }
}
