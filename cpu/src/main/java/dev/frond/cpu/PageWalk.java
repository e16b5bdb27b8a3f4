// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;

/**
 * Walks the guest's page tables: 32-bit paging, PAE, 4 and 5 levels, with all that may be said of a
 * page (SDM Vol. 3A, 5.3 to 5.7).
 */
final class PageWalk {
    static final int READ = 0;
    static final int WRITE = 1;
    static final int EXECUTE = 2;

    private static final int PAGE_SHIFT = Mmu.PAGE_SHIFT;
    private static final long PAGE_MASK = Mmu.PAGE_MASK;

    private static final long P = 1;
    private static final long RW = 2;
    private static final long US = 4;
    private static final long A = 0x20;
    private static final long D = 0x40;
    private static final long PS = 0x80;
    private static final long G = 0x100;
    private static final long NX = 1L << 63;
    private static final long PHYSICAL = (1L << Cpuid.PHYSICAL_BITS) - 1;
    private static final long ADDRESS = PHYSICAL & PAGE_MASK;
    private static final long RESERVED = (1L << 52) - 1 & ~PHYSICAL;

    /** Bits 62:52, which are ignored in long mode (SDM Vol. 3A, table 5-9). */
    private static final long RESERVED_PAE = 0x7FF0_0000_0000_0000L;

    /** Page-fault error code bits (SDM Vol. 3A, 5.7). */
    private static final int ERROR_P = 1;

    private static final int ERROR_W = 2;
    private static final int ERROR_U = 4;
    private static final int ERROR_RSVD = 8;
    private static final int ERROR_I = 16;
    private static final int ERROR_PK = 32;

    private final Cpu cpu;
    private final Mmu mmu;
    private final AddressSpace memory;
    private final boolean gigabytePages;
    private final long[] pdptes = new long[4];

    private boolean writable;
    private boolean global;
    private int shift;

    PageWalk(Cpu cpu, Mmu mmu, AddressSpace memory) {
        this.cpu = cpu;
        this.mmu = mmu;
        this.memory = memory;
        gigabytePages = cpu.cpuid.has(CpuFeature.PDPE1GB);
    }

    /** Whether a store to the page just found is allowed and needs no update of the tables. */
    boolean isWritable() {
        return writable;
    }

    /** Whether all address spaces have the page just found. */
    boolean isGlobal() {
        return global;
    }

    /** The bits of the offset in the page just found: 12, 21, 22 or 30. */
    int shift() {
        return shift;
    }

    /**
     * The physical address that the tables say; sets Accessed and Dirty.
     *
     * @param access {@link #READ}, {@link #WRITE} or {@link #EXECUTE}
     * @param how {@link Mmu#SUPERVISOR}, {@link Mmu#USER} or {@link Mmu#SUPERVISOR_AC}
     * @throws CpuFault the page fault
     */
    long walk(long linear, int access, int how) {
        if ((cpu.cr0 & ControlRegisters.PG) == 0) {
            writable = true;
            global = false;
            shift = PAGE_SHIFT;
            return linear & 0xFFFF_FFFFL;
        }
        while (true) {
            long physical =
                    cpu.longMode()
                            ? walkLong(linear, access, how)
                            : (cpu.cr4 & ControlRegisters.PAE) != 0
                                    ? walkPae(linear, access, how)
                                    : walk32(linear, access, how);
            if (physical != RETRY) {
                return physical;
            }
        }
    }

    private static final long RETRY = -1;

    private long walkLong(long linear, int access, int how) {
        int first = (cpu.cr4 & ControlRegisters.LA57) != 0 ? 48 : 39;
        return walk(linear, access, how, cpu.cr3 & ADDRESS, first, RESERVED);
    }

    private long walkPae(long linear, int access, int how) {
        long pdpte = pdptes[(int) (linear >>> 30) & 3];
        if ((pdpte & P) == 0) {
            throw pageFault(linear, access, how, 0);
        }
        return walk(linear, access, how, pdpte & ADDRESS, 21, RESERVED | RESERVED_PAE);
    }

    /** Walks tables of 8-byte entries, from the one at {@code first} for bits from {@code top}. */
    private long walk(long linear, int access, int how, long first, int top, long alwaysReserved) {
        long table = first;
        long rights = RW | US;
        long noExecute = 0;
        for (int shift = top; ; shift -= 9) {
            long at = table + (linear >>> shift & 511) * 8;
            long entry = readTable(at, 8);
            if ((entry & P) == 0) {
                throw pageFault(linear, access, how, 0);
            }
            long reserved = alwaysReserved | nxReserved();
            boolean leaf = shift == 12 || (entry & PS) != 0;
            if (leaf && shift != 12) {
                boolean none = shift > 30 || shift == 30 && !gigabytePages;
                reserved |= none ? PS : (1L << shift) - 1 & ~0x1FFFL;
            }
            if ((entry & reserved) != 0) {
                throw pageFault(linear, access, how, ERROR_P | ERROR_RSVD);
            }
            rights &= entry;
            noExecute |= entry & NX;
            if (leaf) {
                return leaf(linear, access, how, at, 8, entry, rights, noExecute, shift);
            }
            if (!updateTable(at, 8, entry, A)) {
                return RETRY;
            }
            table = entry & ADDRESS;
        }
    }

    private long walk32(long linear, int access, int how) {
        long directoryAt = (cpu.cr3 & 0xFFFF_F000L) + (linear >>> 22 & 1023) * 4;
        long directory = readTable(directoryAt, 4);
        if ((directory & P) == 0) {
            throw pageFault(linear, access, how, 0);
        }
        if ((directory & PS) != 0 && (cpu.cr4 & ControlRegisters.PSE) != 0) {
            if ((directory & 0x20_0000) != 0) {
                throw pageFault(linear, access, how, ERROR_P | ERROR_RSVD);
            }
            // PSE-36: bits 20:13 are address bits 39:32.
            long base = directory & 0xFFC0_0000L | (directory & 0x1F_E000) << 19;
            return leaf(
                    linear,
                    access,
                    how,
                    directoryAt,
                    4,
                    base | directory & 0xFFF,
                    directory & (RW | US),
                    0,
                    22,
                    directory);
        }
        if (!updateTable(directoryAt, 4, directory, A)) {
            return RETRY;
        }
        long at = (directory & 0xFFFF_F000L) + (linear >>> 12 & 1023) * 4;
        long entry = readTable(at, 4);
        if ((entry & P) == 0) {
            throw pageFault(linear, access, how, 0);
        }
        return leaf(linear, access, how, at, 4, entry, entry & directory & (RW | US), 0, 12);
    }

    private long leaf(
            long linear,
            int access,
            int how,
            long at,
            int size,
            long entry,
            long rights,
            long noExecute,
            int shift) {
        return leaf(linear, access, how, at, size, entry, rights, noExecute, shift, entry);
    }

    private long leaf(
            long linear,
            int access,
            int how,
            long at,
            int size,
            long base,
            long rights,
            long noExecute,
            int shift,
            long entry) {
        boolean userPage = (rights & US) != 0;
        boolean mayWrite =
                (rights & RW) != 0 || how != Mmu.USER && (cpu.cr0 & ControlRegisters.WP) == 0;
        boolean allowed;
        if (how == Mmu.USER) {
            allowed = userPage;
        } else if (!userPage) {
            allowed = true;
        } else if (access == EXECUTE) {
            allowed = (cpu.cr4 & ControlRegisters.SMEP) == 0;
        } else {
            allowed = how == Mmu.SUPERVISOR_AC || (cpu.cr4 & ControlRegisters.SMAP) == 0;
        }
        if (access == WRITE) {
            allowed &= mayWrite;
        } else if (access == EXECUTE) {
            allowed &= noExecute == 0;
        }
        int key = keyRights(entry, userPage, access);
        if ((key & KEY_NO_WRITE) != 0
                && (how == Mmu.USER || (cpu.cr0 & ControlRegisters.WP) != 0)) {
            mayWrite = false;
            key |= access == WRITE ? KEY_NO_ACCESS : 0;
        }
        if ((key & KEY_NO_ACCESS) != 0) {
            throw pageFault(linear, access, how, ERROR_P | ERROR_PK);
        }
        if (!allowed) {
            throw pageFault(linear, access, how, ERROR_P);
        }
        if (!updateTable(at, size, entry, access == WRITE ? A | D : A)) {
            return RETRY;
        }
        writable = mayWrite && (access == WRITE || (entry & D) != 0);
        global = (entry & G) != 0 && (cpu.cr4 & ControlRegisters.PGE) != 0;
        this.shift = shift;
        long mask = (1L << shift) - 1;
        return base & PHYSICAL & ~mask & PAGE_MASK | linear & mask;
    }

    private static final int KEY_NO_ACCESS = 1;
    private static final int KEY_NO_WRITE = 2;

    /** What PKRU says of the key of a page (SDM Vol. 3A, 5.6.2): two bits, 0 if no key counts. */
    private int keyRights(long entry, boolean userPage, int access) {
        if ((cpu.cr4 & ControlRegisters.PKE) == 0
                || !cpu.longMode()
                || !userPage
                || access == EXECUTE) {
            return 0;
        }
        return cpu.pkru >>> 2 * ((int) (entry >>> 59) & 15) & 3;
    }

    private long nxReserved() {
        return (cpu.efer & Msrs.EFER_NXE) != 0 ? 0 : NX;
    }

    private CpuFault pageFault(long linear, int access, int how, int error) {
        boolean fetchTold =
                access == EXECUTE
                        && ((cpu.efer & Msrs.EFER_NXE) != 0 && (cpu.cr4 & ControlRegisters.PAE) != 0
                                || (cpu.cr4 & ControlRegisters.SMEP) != 0);
        cpu.cr2 = linear;
        return cpu.fault(
                CpuFault.PF,
                error
                        | (access == WRITE ? ERROR_W : 0)
                        | (how == Mmu.USER ? ERROR_U : 0)
                        | (fetchTold ? ERROR_I : 0));
    }

    /** Loads the PDPTE registers from {@code cr3} in PAE mode; false if a reserved bit is set. */
    boolean loadPdptes(long cr3) {
        long[] loaded = cpu.scratch;
        for (int i = 0; i < 4; i++) {
            loaded[i] = readTable((cr3 & 0xFFFF_FFE0L) + 8L * i, 8);
            if ((loaded[i] & P) != 0 && (loaded[i] & (RESERVED | 0xFFF0_0000_0000_01E6L)) != 0) {
                return false;
            }
        }
        System.arraycopy(loaded, 0, pdptes, 0, 4);
        return true;
    }

    // --- the tables in memory
    // ----------------------------------------------------------------------

    private long readTable(long physical, int size) {
        return mmu.isRam(physical)
                ? cpu.ram.load(mmu.ramOffset(physical), size)
                : memory.read(physical, size);
    }

    /**
     * Sets bits in a table entry if it still is {@code expected}; false if the walk must start
     * again.
     */
    private boolean updateTable(long physical, int size, long expected, long bits) {
        if ((expected & bits) == bits) {
            return true;
        }
        if (mmu.isRam(physical)) {
            mmu.walked(mmu.ramOffset(physical), size);
            return cpu.ram.compareAndExchange(
                            mmu.ramOffset(physical), size, expected, expected | bits)
                    == expected;
        }
        memory.write(physical, size, expected | bits);
        return true;
    }
}
