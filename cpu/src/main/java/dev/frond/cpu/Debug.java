// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

/**
 * The debug registers of one CPU: breakpoints on instructions, data and ports, general detect, and
 * what the trap flag asks for (SDM Vol. 3B, 19.2 and 19.3). With nothing enabled in DR7 no
 * instruction asks here; instructions are executed one at a time while one of them is enabled for
 * instructions, and pages with breakpoints on data are not in the TLBs.
 */
public final class Debug {
    /** DR6: debug registers were accessed while DR7.GD was set. */
    public static final int BD = 0x2000;

    /** DR6: a single step. */
    public static final int BS = 0x4000;

    /** DR6: a task switch to a TSS with the debug flag set. */
    public static final int BT = 0x8000;

    /** IA32_DEBUGCTL: last-branch records, which this model does not have. */
    static final long LBR = 1;

    /** IA32_DEBUGCTL: the trap flag steps from branch to branch. */
    static final long BTF = 2;

    private static final long GD = 0x2000;
    private static final long LOCAL = 0x155;

    private static final int EXECUTE = 0;
    private static final int WRITE = 1;
    private static final int PORT = 2;

    private static final int[] LENGTHS = {1, 2, 8, 4};

    private final Cpu cpu;

    /** Breakpoints that are enabled: one bit for each, by what they are on. */
    private int onExecution;

    private int onData;
    private int onPorts;

    /** IA32_DEBUGCTL. */
    long control;

    Debug(Cpu cpu) {
        this.cpu = cpu;
    }

    /** MOV to DR{@code number}, 0..3, 6 or 7. */
    public void write(int number, long value) {
        cpu.dr[number] =
                switch (number) {
                    case 6 -> value & 0xE00F | 0xFFFF_0FF0L;
                    case 7 -> value & 0xFFFF_2BFFL | 0x400;
                    default -> value;
                };
        follow();
    }

    /** #DB if DR7.GD keeps the debug registers from being accessed. */
    public void requireAccess() {
        if ((cpu.dr[7] & GD) != 0) {
            cpu.dr[6] |= BD;
            throw cpu.fault(CpuFault.DB);
        }
    }

    /** Breakpoints of the task that is left do not follow into the next. */
    void taskSwitched() {
        cpu.dr[7] &= ~LOCAL;
        follow();
    }

    /** #DB was delivered: the handler is not to be stopped itself. */
    void entered() {
        cpu.dr[7] &= ~GD;
        control &= ~BTF;
    }

    /** Lets everything follow DR0 to DR3, DR7 and CR4.DE. */
    void follow() {
        int dataBefore = onData;
        onExecution = 0;
        onData = 0;
        onPorts = 0;
        for (int i = 0; i < 4; i++) {
            if ((cpu.dr[7] >>> 2 * i & 3) == 0) {
                continue;
            }
            switch ((int) (cpu.dr[7] >>> 16 + 4 * i) & 3) {
                case EXECUTE -> onExecution |= 1 << i;
                case PORT -> onPorts |= (cpu.cr4 & ControlRegisters.DE) != 0 ? 1 << i : 0;
                default -> onData |= 1 << i;
            }
        }
        if ((dataBefore | onData) != 0) {
            cpu.mmu.flush();
        }
        // Leftovers of code that ran while nobody asked.
        cpu.stackShadowRip = -1;
        cpu.resumeRip = -1;
        if (onExecution != 0) {
            cpu.post(Cpu.EVENT_STEP);
        }
    }

    // --- breakpoints
    // ------------------------------------------------------------------------------

    /** Whether instructions must be executed one at a time. */
    public boolean onExecution() {
        return onExecution != 0;
    }

    /** Whether accesses to memory must be told to {@link #access}. */
    boolean onData() {
        return onData != 0;
    }

    private int length(int i) {
        return LENGTHS[(int) (cpu.dr[7] >>> 18 + 4 * i) & 3];
    }

    /** Sets DR6 for the breakpoints on the instruction at {@code linear}; true if there are any. */
    public boolean stopsAt(long linear) {
        int hits = 0;
        for (int i = 0; i < 4; i++) {
            if ((onExecution >>> i & 1) != 0 && cpu.dr[i] == linear) {
                hits |= 1 << i;
            }
        }
        cpu.dr[6] |= hits;
        return hits != 0;
    }

    /** Whether a page has a breakpoint on data: it may not be in a TLB. */
    boolean watches(long page) {
        for (int i = 0; i < 4; i++) {
            if ((onData >>> i & 1) != 0 && (cpu.dr[i] & Mmu.PAGE_MASK) == page) {
                return true;
            }
        }
        return false;
    }

    /**
     * An access to data is about to be made: where it hits a breakpoint, the instruction is
     * executed alone and a trap is due after it.
     */
    void access(long linear, int size, boolean write) {
        int hits = 0;
        for (int i = 0; i < 4; i++) {
            boolean onlyWrites = ((int) (cpu.dr[7] >>> 16 + 4 * i) & 3) == WRITE;
            if ((onData >>> i & 1) != 0 && (write || !onlyWrites) && hits(i, linear, size)) {
                hits |= 1 << i;
            }
        }
        if (hits != 0) {
            if (!cpu.alone) {
                throw cpu.restartAlone();
            }
            trap(hits);
        }
    }

    /** As {@link #access} for a port, after the access; the instruction ends its block. */
    public void port(int port, int size) {
        int hits = 0;
        for (int i = 0; i < 4; i++) {
            if ((onPorts >>> i & 1) != 0 && hits(i, port, size)) {
                hits |= 1 << i;
            }
        }
        if (hits != 0) {
            cpu.stackShadowRip = -1;
            trap(hits);
        }
    }

    private boolean hits(int i, long address, int size) {
        int length = length(i);
        long start = cpu.dr[i] & -length;
        // One starts within the other.
        return Long.compareUnsigned(address - start, length) < 0
                || Long.compareUnsigned(start - address, size) < 0;
    }

    /** A trap with these bits of DR6 is due after the instruction. */
    void trap(int bits) {
        cpu.debugTraps |= bits;
        cpu.post(Cpu.EVENT_STEP);
    }

    // --- the trap flag
    // ----------------------------------------------------------------------------

    /** Whether the trap flag, set when an instruction began, traps after it. */
    public boolean steps(boolean branched) {
        return (control & BTF) == 0 || branched;
    }

    /** IA32_DEBUGCTL is written; false for what it cannot hold. */
    boolean writeControl(long value) {
        if ((value & ~(LBR | BTF)) != 0) {
            return false;
        }
        control = value & BTF;
        return true;
    }
}
