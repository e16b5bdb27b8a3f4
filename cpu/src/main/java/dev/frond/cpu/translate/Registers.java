// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;

import java.util.List;

/** What emitted code can change of a CPU besides memory, at one moment. */
final class Registers {
    private static final String[] SEGMENTS = {"ES", "CS", "SS", "DS", "FS", "GS"};

    final long[] r = new long[16];
    private final long[] v = new long[64];
    private final int[] selector = new int[8];
    private final long[] segBase = new long[12];
    private final int[] segLimit = new int[8];
    private final int[] segAttributes = new int[8];
    long rip;
    int flags;
    private int systemFlags;
    private int cpl;
    private int mode;
    private long stackMask;
    private int mxcsr;
    private long kernelGsBase;

    // What emitted code never changes.
    private long cr0;
    private long cr3;
    private long cr4;
    private long efer;

    // What emitted code does not change, or need not tell of.
    private long cr2;
    private long shadowRip;
    private long resumeRip;
    private long instructions;
    private boolean interruptHeld;

    void take(Cpu cpu) {
        System.arraycopy(cpu.r, 0, r, 0, r.length);
        System.arraycopy(cpu.v, 0, v, 0, v.length);
        System.arraycopy(cpu.selector, 0, selector, 0, selector.length);
        System.arraycopy(cpu.segBase, 0, segBase, 0, segBase.length);
        System.arraycopy(cpu.segLimit, 0, segLimit, 0, segLimit.length);
        System.arraycopy(cpu.segAttributes, 0, segAttributes, 0, segAttributes.length);
        rip = cpu.rip;
        flags = cpu.statusFlags();
        systemFlags = cpu.systemFlags;
        cpl = cpu.cpl;
        mode = cpu.mode;
        stackMask = cpu.stackMask;
        mxcsr = cpu.sse.mxcsr();
        kernelGsBase = cpu.msrs.kernelGsBase;
        cr0 = cpu.cr0;
        cr3 = cpu.cr3;
        cr4 = cpu.cr4;
        efer = cpu.efer;
        cr2 = cpu.cr2;
        shadowRip = cpu.shadowRip;
        resumeRip = cpu.resumeRip;
        instructions = cpu.instructions;
        interruptHeld = cpu.interruptHeld;
    }

    /** Whether memory is looked at in the same way. */
    boolean isSameAddressSpace(Registers other) {
        return cr0 == other.cr0 && cr3 == other.cr3 && cr4 == other.cr4 && efer == other.efer;
    }

    /** The instructions that the CPU had executed. */
    long instructions() {
        return instructions;
    }

    void restore(Cpu cpu) {
        System.arraycopy(r, 0, cpu.r, 0, r.length);
        System.arraycopy(v, 0, cpu.v, 0, v.length);
        System.arraycopy(selector, 0, cpu.selector, 0, selector.length);
        System.arraycopy(segBase, 0, cpu.segBase, 0, segBase.length);
        System.arraycopy(segLimit, 0, cpu.segLimit, 0, segLimit.length);
        System.arraycopy(segAttributes, 0, cpu.segAttributes, 0, segAttributes.length);
        cpu.rip = rip;
        cpu.setStatusFlags(flags);
        boolean other =
                cpu.cpl != cpl
                        || cpu.mode != mode
                        || cpu.stackMask != stackMask
                        || ((cpu.systemFlags ^ systemFlags) & Cpu.AC) != 0;
        cpu.systemFlags = systemFlags;
        if (other) {
            cpu.segments.setCpl(cpl);
        }
        cpu.sse.mxcsr(mxcsr);
        cpu.msrs.kernelGsBase = kernelGsBase;
        restoreRest(cpu);
    }

    /** Restores what is no result of the guest's code. */
    void restoreRest(Cpu cpu) {
        cpu.cr2 = cr2;
        cpu.shadowRip = shadowRip;
        cpu.resumeRip = resumeRip;
        cpu.instructions = instructions;
        cpu.interruptHeld = interruptHeld;
    }

    /** Says what differs between the two results of what began with these registers. */
    void compare(Registers interpreted, Registers emitted, int flagsThatCount, List<String> out) {
        compare("RIP", rip, interpreted.rip, emitted.rip, out);
        for (int i = 0; i < r.length; i++) {
            compare(CodeReport.name(i), r[i], interpreted.r[i], emitted.r[i], out);
        }
        compare(
                "status flags",
                flags,
                interpreted.flags & flagsThatCount,
                emitted.flags & flagsThatCount,
                out);
        compare(
                "RFLAGS without status",
                systemFlags,
                interpreted.systemFlags,
                emitted.systemFlags,
                out);
        compare("CPL", cpl, interpreted.cpl, emitted.cpl, out);
        compare("mode", mode, interpreted.mode, emitted.mode, out);
        compare("MXCSR", mxcsr, interpreted.mxcsr, emitted.mxcsr, out);
        compare(
                "IA32_KERNEL_GS_BASE",
                kernelGsBase,
                interpreted.kernelGsBase,
                emitted.kernelGsBase,
                out);
        for (int i = 0; i < SEGMENTS.length; i++) {
            if (sameSegment(interpreted, emitted, i)) {
                continue;
            }
            String name = SEGMENTS[i];
            compare(name, selector[i], interpreted.selector[i], emitted.selector[i], out);
            compare(name + " base", segBase[i], interpreted.segBase[i], emitted.segBase[i], out);
            compare(
                    name + " limit",
                    segLimit[i],
                    interpreted.segLimit[i],
                    emitted.segLimit[i],
                    out);
            compare(
                    name + " attributes",
                    segAttributes[i],
                    interpreted.segAttributes[i],
                    emitted.segAttributes[i],
                    out);
        }
        for (int i = 0; i < v.length; i++) {
            if (interpreted.v[i] != emitted.v[i]) {
                String name = "YMM" + i / 4 + " from bit " + i % 4 * 64;
                compare(name, v[i], interpreted.v[i], emitted.v[i], out);
            }
        }
    }

    private static boolean sameSegment(Registers one, Registers other, int i) {
        return one.selector[i] == other.selector[i]
                && one.segBase[i] == other.segBase[i]
                && one.segLimit[i] == other.segLimit[i]
                && one.segAttributes[i] == other.segAttributes[i];
    }

    /** Says that two values differ. */
    static void compare(
            String what, long before, long interpreted, long emitted, List<String> out) {
        if (interpreted != emitted) {
            out.add(
                    "%s: before 0x%x, interpreter 0x%x, translator 0x%x"
                            .formatted(what, before, interpreted, emitted));
        }
    }
}
