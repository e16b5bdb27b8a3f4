// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.FxImage;
import dev.frond.host.NativeCode;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * The registers that a program sees and a block of memory, put into the host's processor or the
 * interpreter's and taken from there: what an oracle test starts both with and compares.
 */
final class UserState {
    private static final int STATUS = Cpu.STATUS;

    /** x87 bytes of the FXSAVE image that are compared: control, status and tags. */
    private static final int X87_HEAD = 5;

    final long[] gprs = new long[16];
    long flags;

    /** Four longs for each YMM register, low first. */
    final long[] vectors = new long[64];

    int mxcsr = 0x1F80;

    /** The FXSAVE image in the 64-bit layout; only its x87 part counts. */
    final byte[] x87 = new byte[FxImage.BYTES];

    final byte[] memory;

    /** The exception that ended the instruction, or {@link CpuHarness#NO_FAULT}. */
    int fault = CpuHarness.NO_FAULT;

    UserState(int memoryBytes) {
        memory = new byte[memoryBytes];
        x87[0] = 0x7F;
        x87[1] = 3;
    }

    /** Copies everything from {@code other}. */
    void copy(UserState other) {
        System.arraycopy(other.gprs, 0, gprs, 0, gprs.length);
        System.arraycopy(other.vectors, 0, vectors, 0, vectors.length);
        System.arraycopy(other.x87, 0, x87, 0, x87.length);
        System.arraycopy(other.memory, 0, memory, 0, memory.length);
        flags = other.flags;
        mxcsr = other.mxcsr;
        fault = other.fault;
    }

    /** Puts this state into the host's processor and its memory. */
    void into(NativeCode host, MemorySegment block) {
        for (int i = 0; i < 16; i++) {
            host.setGpr(i, gprs[i]);
            for (int lane = 0; lane < (host.hasAvx() ? 4 : 2); lane++) {
                host.setVector(i, lane, vectors[4 * i + lane]);
            }
        }
        host.setFlags(flags);
        MemorySegment image = host.fxsave();
        MemorySegment.copy(x87, 0, image, JAVA_BYTE, 0, FxImage.MXCSR);
        MemorySegment.copy(x87, FxImage.ST, image, JAVA_BYTE, FxImage.ST, FxImage.XMM - FxImage.ST);
        host.setMxcsr(mxcsr);
        MemorySegment.copy(memory, 0, block, JAVA_BYTE, 0, memory.length);
    }

    /** Runs what is loaded into the host's processor and takes the state from there. */
    void runAndTake(NativeCode host, MemorySegment block) {
        runAndTake(host, block, -1);
    }

    /** The same; the instruction pointer {@code end}, where HLT is, is no fault. */
    void runAndTake(NativeCode host, MemorySegment block, long end) {
        fault =
                switch (host.run()) {
                    case NativeCode.Outcome.Faulted faulted when faulted.rip() != end ->
                            faulted.trapNumber();
                    default -> CpuHarness.NO_FAULT;
                };
        take(host, block);
    }

    /** Takes the state from the host's processor, all but {@link #fault}. */
    void take(NativeCode host, MemorySegment block) {
        for (int i = 0; i < 16; i++) {
            gprs[i] = host.gpr(i);
            for (int lane = 0; lane < (host.hasAvx() ? 4 : 2); lane++) {
                vectors[4 * i + lane] = host.vector(i, lane);
            }
        }
        flags = host.flags();
        mxcsr = host.mxcsr();
        MemorySegment.copy(host.fxsave(), JAVA_BYTE, 0, x87, 0, x87.length);
        MemorySegment.copy(block, JAVA_BYTE, 0, memory, 0, memory.length);
    }

    /** Puts this state into the interpreter's CPU and the memory at {@code address}. */
    void into(CpuHarness harness, long address) {
        Cpu cpu = harness.cpu;
        System.arraycopy(gprs, 0, cpu.r, 0, 16);
        System.arraycopy(vectors, 0, cpu.v, 0, 64);
        cpu.setRflags(flags & NativeCode.SETTABLE_FLAGS | Cpu.IF);
        cpu.sse.mxcsr(mxcsr);
        FxImage.loadX87(cpu, true, x87);
        harness.write(address, memory);
    }

    /** Takes the state from the interpreter's CPU. */
    void take(CpuHarness harness, long address) {
        Cpu cpu = harness.cpu;
        System.arraycopy(cpu.r, 0, gprs, 0, 16);
        System.arraycopy(cpu.v, 0, vectors, 0, 64);
        flags = cpu.rflags();
        mxcsr = cpu.sse.mxcsr();
        FxImage.saveX87(cpu, true, x87);
        harness.read(address, memory);
    }

    // --- comparison -----------------------------------------------------------------------------

    /**
     * What differs from {@code expected}, in words; empty if nothing does. The x87 unit's last
     * instruction and operand are left out: processors of AMD keep them only for exceptions.
     *
     * @param undefined status flags that may have any value
     */
    List<String> differences(UserState expected, int undefined) {
        if (equal(expected, undefined)) {
            return List.of();
        }
        List<String> found = new ArrayList<>();
        compare(found, "fault", fault, expected.fault);
        for (int i = 0; i < 16; i++) {
            compare(found, "gpr " + i, gprs[i], expected.gprs[i]);
        }
        for (int i = 0; i < 64; i++) {
            compare(found, "ymm " + i / 4 + " lane " + i % 4, vectors[i], expected.vectors[i]);
        }
        long mask = STATUS & ~undefined;
        compare(found, "flags", flags & mask, expected.flags & mask);
        compare(found, "mxcsr", mxcsr, expected.mxcsr);
        for (int i = 0; i < X87_HEAD; i++) {
            compare(found, "x87 byte " + i, x87[i] & 0xFF, expected.x87[i] & 0xFF);
        }
        for (int i = 0; i < 8; i++) {
            int at = FxImage.ST + 16 * i;
            String mine = HexFormat.of().formatHex(x87, at, at + 10);
            String theirs = HexFormat.of().formatHex(expected.x87, at, at + 10);
            if (!mine.equals(theirs)) {
                found.add("st " + i + " is " + mine + ", not " + theirs);
            }
        }
        for (int i = 0; i < memory.length; i++) {
            compare(found, "memory byte " + i, memory[i] & 0xFF, expected.memory[i] & 0xFF);
        }
        return found;
    }

    /** The same comparison without words, for the usual case. */
    private boolean equal(UserState expected, int undefined) {
        boolean equal =
                fault == expected.fault
                        && mxcsr == expected.mxcsr
                        && ((flags ^ expected.flags) & STATUS & ~undefined) == 0
                        && Arrays.equals(gprs, expected.gprs)
                        && Arrays.equals(vectors, expected.vectors)
                        && Arrays.equals(memory, expected.memory)
                        && Arrays.equals(x87, 0, X87_HEAD, expected.x87, 0, X87_HEAD);
        for (int at = FxImage.ST; at < FxImage.XMM && equal; at += 16) {
            equal = Arrays.equals(x87, at, at + 10, expected.x87, at, at + 10);
        }
        return equal;
    }

    private static void compare(List<String> found, String what, long actual, long expected) {
        if (actual != expected) {
            found.add(
                    what
                            + " is 0x"
                            + Long.toHexString(actual)
                            + ", not 0x"
                            + Long.toHexString(expected));
        }
    }
}
