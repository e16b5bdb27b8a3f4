// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.Msrs;
import dev.frond.cpu.Seg;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;

/**
 * The memory that emitted code reaches through RSP: guest registers while they are in no host
 * register, the copy of the TLB, the cache of jump targets. Below lies room for the frames of
 * signals, which the host puts at RSP.
 */
final class Context {
    // Guest R13 to R15 live here; nearest, because displacements up to 127 take one byte.
    static final int SPILLED = 0x00;

    static final int CODE_BASE = 0x18;
    static final int COUNT = 0x20;
    static final int POLL = 0x28;

    /** AL is OF, AH the other status flags as LAHF gives them. */
    static final int FLAGS = 0x30;

    static final int TEMPORARY = 0x38;

    /** RFLAGS.IF, 0 or 1. */
    static final int INTERRUPTS = 0x40;

    /** Where the part of the jump cache that is in force begins, from {@link #JUMP_CACHE}. */
    static final int JUMP_TABLE = 0x48;

    static final int TARGET = 0x50;

    static final int FS_BASE = 0x60;
    static final int GS_BASE = 0x68;
    static final int SCRATCH = 0x70;
    static final int SCRATCH2 = 0x78;

    static final int GPR = 0x80;
    static final int MXCSR = 0x100;
    static final int HOST_MXCSR = 0x104;
    static final int HOST_RSP = 0x108;

    /** The return address of the call that left, or 0 after a fault of the host's. */
    static final int EXIT = 0x110;

    /** RFLAGS without the status flags, IF, VM and RF. */
    static final int SYSTEM_FLAGS = 0x118;

    /** Whether an interrupt waits for IF. */
    static final int HELD = 0x11C;

    /** Not 0 if the upper half of a vector register may not be 0. */
    static final int UPPER = 0x160;

    static final int KERNEL_GS_BASE = 0x168;

    /** The selectors of ES, CS, SS, DS, FS, GS, 32 bits each. */
    static final int SELECTORS = 0x120;

    /** Four places for string instructions. */
    static final int STRING = 0x140;

    /** Of an indirect call: what makes addresses of the guest's stack the host's. */
    static final int PUSHED_TO = 0x240;

    /** What emitted code did that the Cpu does not know yet: {@link #ENTERED} and so on. */
    static final int CHANGED = 0x250;

    /** SYSCALL was executed: CS and SS are those of the kernel. */
    static final int ENTERED = 1;

    /** SYSRET was executed. */
    static final int RETURNED = 2;

    /** RFLAGS.AC was changed under CR4.SMAP. */
    static final int ACCESS_CHANGED = 4;

    /** A segment was loaded in real or virtual-8086 mode: this, shifted by its number. */
    static final int LOADED = 0x100;

    /** IRET was executed: {@link #FRAME_RFLAGS} tells of RFLAGS.RF. */
    static final int RESUMED = 8;

    /** The mode (see {@link Modes}) that SYSCALL goes to, -1 to leave it to the interpreter. */
    static final int SYSCALL_MODE = 0x254;

    /** The same of SYSRET. */
    static final int SYSRET_MODE = 0x258;

    /** CR4.SMAP, 0 or 1. */
    static final int SMAP = 0x25C;

    static final int LSTAR = 0x260;

    /** CS and SS after SYSCALL, 32 bits each. */
    static final int SYSCALL_SELECTORS = 0x268;

    static final int SYSRET_SELECTORS = 0x270;

    /** What SYSCALL leaves of {@link #FLAGS}, {@link #SYSTEM_FLAGS} and {@link #INTERRUPTS}. */
    static final int KEPT_FLAGS = 0x278;

    static final int KEPT_SYSTEM_FLAGS = 0x27C;
    static final int KEPT_INTERRUPTS = 0x280;

    /** CR4.FSGSBASE, 0 or 1. */
    static final int FSGSBASE = 0x284;

    /** The mode that IRET goes to from the kernel, -1 to leave it to the interpreter. */
    static final int IRET_MODE = 0x288;

    /** Whether IRET may go to CS and SS as they are now, 0 or 1. */
    static final int IRET_INNER = 0x28C;

    /** The frame of an IRET under way. */
    static final int FRAME_RIP = 0x290;

    static final int FRAME_RFLAGS = 0x298;
    static final int FRAME_RSP = 0x2A0;

    // The linear address of a descriptor and what stands there if it is flat, for each of those
    // that IRET loads.
    static final int USER_CODE = 0x2B0;
    static final int USER_STACK = 0x2C0;
    static final int INNER_CODE = 0x2D0;
    static final int INNER_STACK = 0x2E0;

    static final int FAULT_RECORD = 0x180;

    /**
     * What tells where pages of code were found; they change when these may be elsewhere. One for
     * pages of the address space, one for global pages.
     */
    static final int LOCAL_TAG = 0x340;

    static final int GLOBAL_TAG = 0x344;

    /** Of a loop (see {@link LoopEmitter}): rounds that are left. */
    static final int LOOP_LEFT = 0x2F0;

    /** What {@link #COUNT} is after them. */
    static final int LOOP_COUNT = 0x338;

    /** The operands' addresses in the host but for what moves. */
    static final int LOOP_BASES = 0x300;

    static final int LOOP_GROUPS = 6;

    /** {@link X87State#SIZE} bytes. */
    static final int X87 = 0x360;

    /** XMM0..15 in steps of 32 bytes, as {@link Cpu#v} has them. */
    static final int VECTORS = 0x400;

    /**
     * The bytes of an operand that reaches into the next page, from the multiple of {@link #LINE}
     * on that its address is behind one.
     */
    static final int JOINED = 0x800;

    static final int LINE = 64;

    /** CS's base, and the highest instruction pointer of 16- and 32-bit code. */
    static final int CODE_SEGMENT = 0x600;

    static final int RIP_LIMIT = 0x608;

    /** The highest instruction pointer of a page that CS's limit permits wholly; -1 for none. */
    static final int PAGE_LIMIT = 0x610;

    /** For ES, CS, SS, DS, FS and GS of 16- and 32-bit code, see {@link #segment}. */
    private static final int SEGMENTS = 0x618;

    private static final int SEGMENT_SIZE = 24;

    // From where a segment is: its base; the highest offset that may be read; the same for stores.
    // -1 for none, or if the interpreter decides.
    static final int BASE = 0;
    static final int READ_LIMIT = 8;
    static final int WRITE_LIMIT = 16;

    /**
     * The page of the stack for each of {@link NativeTlb#CONTEXTS}: its linear address for loads,
     * the same for stores, and what must be added to linear addresses there for the host's.
     */
    private static final int STACK_PAGES = 0x6B0;

    static final int STACK_READ = 0;
    static final int STACK_WRITE = 8;
    static final int STACK_HOST = 16;

    /**
     * What stands for the linear address of no page. It is not canonical, and with {@link
     * #STACK_HOST} being 0 the host faults at what a guest accesses there.
     */
    static final long NO_STACK = 0x5EA1_3C97_B0D2_4F61L;

    /** {@link NativeTlb#CONTEXTS} tables. */
    static final int TLB = 0x1000;

    static final int JUMP_CACHE = 0xD0000;

    /**
     * Entries for each way to execute: as supervisor, as user, as supervisor with RFLAGS.AC under
     * CR4.SMAP.
     */
    static final int JUMP_ENTRIES = 32768;

    static final int JUMP_TABLE_SIZE = 16 * JUMP_ENTRIES;

    /** A jump cache entry like those of the tables, for who finds its target and has no place. */
    static final int SPARE_JUMP = 3 * JUMP_TABLE_SIZE;

    /** How many entries of the jump cache are in {@link #LOCAL_JUMPS}. */
    static final int LOCAL_JUMP_COUNT = JUMP_CACHE + SPARE_JUMP + 16;

    /** The entries of the jump cache that a change of the address space empties. */
    static final int LOCAL_JUMPS = LOCAL_JUMP_COUNT + 8;

    static final int MAX_LOCAL_JUMPS = 8192;

    /**
     * Blocks by physical address: entries of {@link #physical} and the host's address. What a
     * change of the address space leaves.
     */
    static final int BLOCKS = LOCAL_JUMPS + 4 * MAX_LOCAL_JUMPS;

    static final int BLOCK_ENTRIES = 32768;

    /**
     * Pages of code: entries of the linear address and the way to execute, and the physical address
     * with the mode, see {@link #physical}.
     */
    static final int CODE_PAGES = BLOCKS + 16 * BLOCK_ENTRIES;

    static final int CODE_PAGE_ENTRIES = 512;

    /** Where RSP points: what lies below belongs to signals. */
    private static final int STACK = 0x20000;

    /** The whole size in bytes. */
    static final int SIZE = STACK + (CODE_PAGES + 16 * CODE_PAGE_ENTRIES + 4095 & -4096);

    /** Guest register numbers from here on are spilled. */
    static final int FIRST_SPILLED = 13;

    private static final int[] HOST = {0, 13, 2, 3, 14, 5, 6, 7, 8, 9, 10, 11, 12};

    private final MemorySegment memory;

    // Buffers, because HotSpot's first compiler, which the machine runs on, makes calls of what a
    // memory segment does for a load.
    private final LongBuffer longs;
    private final IntBuffer ints;

    Context(MemorySegment memory) {
        this.memory = memory.asSlice(STACK);
        longs = this.memory.asByteBuffer().order(ByteOrder.nativeOrder()).asLongBuffer();
        ints = this.memory.asByteBuffer().order(ByteOrder.nativeOrder()).asIntBuffer();
        this.memory.asSlice(CODE_PAGES, 16 * CODE_PAGE_ENTRIES).fill((byte) -1);
        forgetBlocks();
    }

    /** The host register of a guest register below {@link #FIRST_SPILLED}. */
    static int host(int guest) {
        return HOST[guest];
    }

    /** Whether a guest register is in no register of the host's. */
    static boolean isSpilled(int guest) {
        return guest >= FIRST_SPILLED;
    }

    /** Where a guest register is kept. */
    static int slot(int guest) {
        return guest < FIRST_SPILLED ? GPR + 8 * guest : SPILLED + 8 * (guest - FIRST_SPILLED);
    }

    /** What RSP is while emitted code runs. */
    long address() {
        return memory.address();
    }

    MemorySegment memory() {
        return memory;
    }

    long get(int offset) {
        return longs.get(offset >> 3);
    }

    void set(int offset, long value) {
        longs.put(offset >> 3, value);
    }

    int int4(int offset) {
        return ints.get(offset >> 2);
    }

    void int4(int offset, int value) {
        ints.put(offset >> 2, value);
    }

    /** The word that is not 0 when somebody wants the CPU to leave emitted code. */
    MemorySegment poll() {
        return memory.asSlice(POLL, 4);
    }

    // --- registers to and from the Cpu
    // ------------------------------------------------------------

    void loadRegisters(Cpu cpu) {
        long[] r = cpu.r;
        for (int i = 0; i < FIRST_SPILLED; i++) {
            longs.put((GPR >> 3) + i, r[i]);
        }
        for (int i = FIRST_SPILLED; i < 16; i++) {
            longs.put((SPILLED >> 3) + i - FIRST_SPILLED, r[i]);
        }
        int flags = cpu.statusFlags();
        int4(FLAGS, (flags & 0xFF) << 8 | flags >>> 11 & 1);
        int system = cpu.systemFlags;
        int4(SYSTEM_FLAGS, system & ~(Cpu.IF | Cpu.VM | Cpu.RF));
        int4(INTERRUPTS, system >>> 9 & 1);
        int4(HELD, cpu.interruptHeld ? 1 : 0);
    }

    void storeRegisters(Cpu cpu) {
        long[] r = cpu.r;
        for (int i = 0; i < FIRST_SPILLED; i++) {
            r[i] = longs.get((GPR >> 3) + i);
        }
        for (int i = FIRST_SPILLED; i < 16; i++) {
            r[i] = longs.get((SPILLED >> 3) + i - FIRST_SPILLED);
        }
        int flags = int4(FLAGS);
        cpu.setStatusFlags(flags >>> 8 & 0xFF & Cpu.STATUS | (flags & 1) << 11);
        cpu.systemFlags =
                cpu.systemFlags & (Cpu.VM | Cpu.RF) | int4(SYSTEM_FLAGS) | int4(INTERRUPTS) << 9;
        cpu.msrs.kernelGsBase = get(KERNEL_GS_BASE);
        storeBase(cpu, Seg.GS, get(GS_BASE));
        storeBase(cpu, Seg.FS, get(FS_BASE));
    }

    private static void storeBase(Cpu cpu, int segment, long base) {
        if (base != cpu.segBase[segment]) {
            cpu.msrs.setBase(segment, base);
        }
    }

    /** Lets the Cpu know of what changed besides registers; before anything looks at its mode. */
    void follow(Cpu cpu) {
        int changed = int4(CHANGED);
        if (changed == 0) {
            return;
        }
        int4(CHANGED, 0);
        for (int i = 0; i < 6; i++) {
            if ((changed & LOADED << i) != 0) {
                cpu.selector[i] = int4(SELECTORS + 4 * i);
                cpu.segBase[i] = get(segment(i) + BASE);
                cpu.segments.followSegment(i);
                set(FS_BASE, cpu.segBase[Seg.FS64]);
                set(GS_BASE, cpu.segBase[Seg.GS64]);
            }
        }
        if ((changed & RESUMED) != 0) {
            cpu.resumeRip = (int4(FRAME_RFLAGS) & Cpu.RF) != 0 ? get(FRAME_RIP) : -1;
        }
        if ((changed & (ENTERED | RETURNED)) != 0) {
            cpu.systemFlags = cpu.systemFlags & ~Cpu.AC | int4(SYSTEM_FLAGS) & Cpu.AC;
            boolean entered = (changed & ENTERED) != 0;
            long selectors = get(entered ? SYSCALL_SELECTORS : SYSRET_SELECTORS);
            cpu.segments.setFlat(
                    (int) selectors & 0xFFFC,
                    (int) (selectors >>> 32) & 0x1_FFFC,
                    true,
                    entered ? 0 : 3);
        } else if ((changed & ACCESS_CHANGED) != 0) {
            cpu.setSystemFlags(cpu.systemFlags & ~Cpu.AC | int4(SYSTEM_FLAGS) & Cpu.AC);
        }
    }

    /** Where the part of the jump cache for a mode begins, from {@link #JUMP_CACHE}. */
    static int jumpTable(int mode) {
        return (mode & Modes.USER) != 0
                ? JUMP_TABLE_SIZE
                : (mode & Modes.ACCESS) != 0 ? 2 * JUMP_TABLE_SIZE : 0;
    }

    /** The modes that the jump cache is for, but for {@link Modes#ACCESS}; user mode last. */
    private final int[] jumpMode = {Modes.NOT_TAKEN, Modes.NOT_TAKEN};

    /** Lets jumps of emitted code go by the part of the jump cache for this mode. */
    void selectJumps(int mode) {
        int4(JUMP_TABLE, jumpTable(mode));
        int who = (mode & Modes.USER) != 0 ? 1 : 0;
        int owner = mode & ~Modes.ACCESS;
        if (jumpMode[who] != owner) {
            forgetJumps();
            jumpMode[who] = owner;
            selectSyscalls();
        }
    }

    private void selectSyscalls() {
        int4(SYSCALL_MODE, syscalls ? jumpMode[0] : Modes.NOT_TAKEN);
        int4(SYSRET_MODE, syscalls ? jumpMode[1] : Modes.NOT_TAKEN);
        int4(IRET_MODE, syscalls && returns ? jumpMode[1] : Modes.NOT_TAKEN);
    }

    /** Descriptors of flat segments that were used: SDM Vol. 3A, 3.4.5. */
    private static final long FLAT_CODE = 0x00AF_9B00_0000_FFFFL;

    private static final long FLAT_STACK = 0x00CF_9300_0000_FFFFL;
    private static final long USER_LEVEL = 3L << 45;

    private boolean returns;
    private long gdtBase;
    private int gdtLimit;
    private boolean nmiBlocked;
    private final int[] returnSelectors = new int[6];
    private final int[] returnAttributes = new int[6];

    /** What IRET may do, if that has changed. */
    private void loadReturns(Cpu cpu) {
        boolean same =
                gdtBase == cpu.gdtBase && gdtLimit == cpu.gdtLimit && nmiBlocked == cpu.nmiBlocked;
        for (int i = 0; i < 6; i++) {
            same &=
                    returnSelectors[i] == cpu.selector[i]
                            && returnAttributes[i] == cpu.segAttributes[i];
            returnSelectors[i] = cpu.selector[i];
            returnAttributes[i] = cpu.segAttributes[i];
        }
        if (!same) {
            gdtBase = cpu.gdtBase;
            gdtLimit = cpu.gdtLimit;
            nmiBlocked = cpu.nmiBlocked;
            selectReturns(cpu);
        }
        // Emitted code clears it.
        int4(IRET_INNER, inner ? 1 : 0);
    }

    private boolean inner;

    private void selectReturns(Cpu cpu) {
        long user = get(SYSRET_SELECTORS);
        // Segments that a return to user mode would make null.
        returns =
                !nmiBlocked
                        && cpu.segments.keepsData(3)
                        && descriptor(USER_CODE, (int) user, FLAT_CODE | USER_LEVEL)
                        && descriptor(USER_STACK, (int) (user >>> 32), FLAT_STACK | USER_LEVEL);
        int code = cpu.selector[Seg.CS];
        int stack = cpu.selector[Seg.SS];
        inner =
                !nmiBlocked
                        && cpu.segments.isFlat(0)
                        && descriptor(INNER_CODE, code, FLAT_CODE)
                        && (stack == 0
                                ? descriptor(INNER_STACK, code, FLAT_CODE)
                                : descriptor(INNER_STACK, stack, FLAT_STACK));
        selectSyscalls();
    }

    /** Notes what the GDT should have for a selector; whether it is in the GDT. */
    private boolean descriptor(int place, int selector, long flat) {
        int offset = selector & 0xFFF8;
        set(place, gdtBase + offset);
        set(place + 8, flat);
        return offset != 0 && (selector & 4) == 0 && offset + 7 <= gdtLimit;
    }

    private boolean syscalls;
    private long star;
    private long syscallMask;
    private long cr4;
    private long efer;

    /** What SYSCALL and SYSRET do, if that has changed. */
    private void loadSyscalls(Cpu cpu) {
        Msrs msrs = cpu.msrs;
        set(LSTAR, msrs.lstar);
        if (star == msrs.star && syscallMask == msrs.fmask && cr4 == cpu.cr4 && efer == cpu.efer) {
            return;
        }
        star = msrs.star;
        syscallMask = msrs.fmask;
        cr4 = cpu.cr4;
        efer = cpu.efer;
        boolean smap = (cr4 & ControlRegisters.SMAP) != 0;
        int4(SMAP, smap ? 1 : 0);
        int kept = ~(int) syscallMask;
        int4(KEPT_FLAGS, (kept & 0xFF) << 8 | kept >>> 11 & 1);
        int4(KEPT_SYSTEM_FLAGS, kept | 2);
        int4(KEPT_INTERRUPTS, kept >>> 9 & 1);
        long entered = star >>> 32 & 0xFFFC;
        long returned = star >>> 48 & 0xFFFC;
        set(SYSCALL_SELECTORS, entered | entered + 8 << 32);
        set(SYSRET_SELECTORS, returned + 16 | 3 | (returned + 8 | 3) << 32);
        // Emitted code does not look at RFLAGS.AC when it enters the kernel.
        syscalls = (efer & Msrs.EFER_SCE) != 0 && (!smap || (kept & Cpu.AC) == 0);
        int4(FSGSBASE, (cr4 & ControlRegisters.FSGSBASE) != 0 ? 1 : 0);
        selectReturns(cpu);
    }

    /** What segments say. */
    void loadSegments(Cpu cpu) {
        set(FS_BASE, cpu.segBase[Seg.FS64]);
        set(GS_BASE, cpu.segBase[Seg.GS64]);
        set(KERNEL_GS_BASE, cpu.msrs.kernelGsBase);
        for (int i = 0; i < 6; i++) {
            int4(SELECTORS + 4 * i, cpu.selector[i]);
        }
        if (!cpu.is64()) {
            loadNarrow(cpu);
        }
        loadSyscalls(cpu);
        loadReturns(cpu);
    }

    void loadVectors(Cpu cpu) {
        longs.put(VECTORS >> 3, cpu.v, 0, 64);
        long upper = 0;
        for (int i = 0; i < 64; i += 4) {
            upper |= cpu.v[i + 2] | cpu.v[i + 3];
        }
        int4(UPPER, upper == 0 ? 0 : 1);
        int4(MXCSR, cpu.sse.mxcsr());
    }

    void storeVectors(Cpu cpu) {
        longs.get(VECTORS >> 3, cpu.v, 0, 64);
        cpu.sse.mxcsr(int4(MXCSR));
    }

    // --- the page of the stack
    // ------------------------------------------------------------------------

    /** Where the page of the stack is described for a way to look at memory. */
    static int stackPage(int how) {
        return STACK_PAGES + 24 * how;
    }

    /** Forgets the pages of the stack. */
    void forgetStack() {
        for (int how = 0; how < NativeTlb.CONTEXTS; how++) {
            int at = stackPage(how);
            set(at + STACK_READ, NO_STACK);
            set(at + STACK_WRITE, NO_STACK);
            set(at + STACK_HOST, 0);
        }
    }

    // --- segments of 16- and 32-bit code
    // ----------------------------------------------------------------------

    /** Where a segment of 16- and 32-bit code is described. */
    static int segment(int segment) {
        return SEGMENTS + SEGMENT_SIZE * segment;
    }

    /** The instruction pointer for a linear address of code. */
    long rip(Cpu cpu, long linear) {
        return cpu.is64() ? linear : linear - get(CODE_SEGMENT) & 0xFFFF_FFFFL;
    }

    /** The highest instruction pointer that emitted 16- or 32-bit code goes to. */
    private static long ripLimit(Cpu cpu) {
        long limit = cpu.segLimit[Seg.CS] & 0xFFFF_FFFFL;
        // Near jumps of 16-bit code wrap there, but what follows each other does not.
        return (cpu.mode & Cpu.CODE_32) != 0 ? limit : Math.min(limit, 0xFFFF);
    }

    /** Whether CS is what it was when this was filled. */
    boolean isSameCode(Cpu cpu) {
        return cpu.is64()
                || cpu.segBase[Seg.CS] == get(CODE_SEGMENT) && ripLimit(cpu) == get(RIP_LIMIT);
    }

    private void loadNarrow(Cpu cpu) {
        long limit = ripLimit(cpu);
        set(CODE_SEGMENT, cpu.segBase[Seg.CS]);
        set(RIP_LIMIT, limit);
        set(PAGE_LIMIT, Math.max(limit - 4095, -1));
        boolean typed = cpu.selectorsNameDescriptors();
        for (int i = 0; i < 6; i++) {
            int attributes = cpu.segAttributes[i];
            long last = cpu.segLimit[i] & 0xFFFF_FFFFL;
            if (i == Seg.SS && cpu.stackMask == 0xFFFF) {
                // So no run of pushes or pops wraps.
                last = Math.min(last, 0xFFFF);
            }
            boolean code = (attributes & Seg.CODE) != 0;
            boolean allowed = (attributes & Seg.WRITABLE) != 0;
            boolean expandsDown = !code && (attributes & Seg.CONFORMING) != 0;
            boolean usable = !expandsDown && !(typed && (attributes & Seg.UNUSABLE) != 0);
            boolean reads = usable && (!typed || !code || allowed);
            boolean writes = usable && (!typed || !code && allowed);
            int at = segment(i);
            set(at + BASE, cpu.segBase[i]);
            set(at + READ_LIMIT, reads ? last : -1);
            set(at + WRITE_LIMIT, writes ? last : -1);
        }
    }

    // --- the jump cache
    // ---------------------------------------------------------------------------

    private boolean globals = true;

    // Which code pages a change of the address space leaves, and which there are.
    private final boolean[] globalCode = new boolean[CODE_PAGE_ENTRIES];
    private final int[] codePages = new int[CODE_PAGE_ENTRIES];
    private int codePageCount;

    /** Lets jumps to {@code rip} go to the host's address. */
    void putJump(long rip, int mode, boolean global, long address) {
        int at = jumpEntry(rip, mode);
        if (global) {
            globals = true;
        } else {
            int count = int4(LOCAL_JUMP_COUNT);
            if (count == MAX_LOCAL_JUMPS) {
                // It is found by its physical address.
                return;
            }
            int4(LOCAL_JUMPS + 4 * count, at - JUMP_CACHE);
            int4(LOCAL_JUMP_COUNT, count + 1);
        }
        set(at, rip);
        set(at + 8, address);
    }

    private static int jumpEntry(long rip, int mode) {
        return JUMP_CACHE + jumpTable(mode) + 16 * ((int) rip & JUMP_ENTRIES - 1);
    }

    /** Lets jumps to the page of {@code rip} find the blocks of the page of main memory. */
    void putCode(long rip, long ramOffset, int mode, boolean global) {
        int page = (int) (rip >>> 12) & CODE_PAGE_ENTRIES - 1;
        int at = CODE_PAGES + 16 * page;
        long tag = (rip & -4096L) + way(mode);
        if (get(at) != tag) {
            set(at, tag);
            codePages[codePageCount++ & CODE_PAGE_ENTRIES - 1] = page;
        }
        set(at + 8, physical(ramOffset, mode) & -4096L);
        globalCode[page] = global;
    }

    /** Lets jumps to an offset of main memory go to the host's address: see {@link #putCode}. */
    void putBlock(long ramOffset, int mode, long address) {
        long physical = physical(ramOffset, mode);
        int block = BLOCKS + 16 * (((int) (physical >>> 12) ^ (int) physical) & BLOCK_ENTRIES - 1);
        set(block, physical);
        set(block + 8, address);
    }

    /** What a block is found by: its offset in main memory, and its mode. */
    private static long physical(long ramOffset, int mode) {
        // Never 0, which stands where there is none: the mode of real mode may be.
        return ramOffset | mode + 1L << 48;
    }

    private static int way(int mode) {
        return jumpTable(mode) / JUMP_TABLE_SIZE;
    }

    /** The host's address that jumps to {@code rip} go to; 0 if that is not known. */
    long jump(long rip, int mode) {
        int at = jumpEntry(rip, mode);
        return get(at) == rip ? get(at + 8) : 0;
    }

    /** Lets the status flags be these of RFLAGS. */
    void statusFlags(int flags) {
        int4(FLAGS, (flags & 0xFF) << 8 | flags >>> 11 & 1);
    }

    /** Lets the status flags be these of the host's RFLAGS. */
    void hostFlags(long flags) {
        set(FLAGS, (flags & 0xFF) << 8 | flags >>> 11 & 1);
    }

    /** Makes everything what the Cpu says, with code of {@code codeBase} executing. */
    void restart(Cpu cpu, long codeBase, long count) {
        int4(CHANGED, 0);
        loadRegisters(cpu);
        loadVectors(cpu);
        loadSegments(cpu);
        selectJumps(Modes.of(cpu));
        set(CODE_BASE, codeBase);
        set(COUNT, count);
    }

    /** Empties the jump cache. */
    void forgetJumps() {
        if (globals) {
            // 0 selects the first entry and 1 the second: neither is ever found where this puts it.
            memory.asSlice(JUMP_CACHE, 3 * JUMP_TABLE_SIZE).fill((byte) 0);
            for (int i = 0; i < 3; i++) {
                clearJump(JUMP_CACHE + i * JUMP_TABLE_SIZE);
            }
            globals = false;
            int4(LOCAL_JUMP_COUNT, 0);
        }
        Arrays.fill(globalCode, false);
        forgetLocalJumps();
    }

    /** Forgets the blocks, too. */
    void forgetBlocks() {
        memory.asSlice(BLOCKS, 16 * BLOCK_ENTRIES).fill((byte) 0);
        forgetJumps();
    }

    /** Lets links between pages be good that were made for these tags. */
    void setTags(int local, int global) {
        int4(LOCAL_TAG, local);
        int4(GLOBAL_TAG, global);
    }

    /** Forgets the jumps to pages that are not global, and where such pages lie. */
    void forgetLocalJumps() {
        int count = int4(LOCAL_JUMP_COUNT);
        for (int i = 0; i < count; i++) {
            clearJump(JUMP_CACHE + int4(LOCAL_JUMPS + 4 * i));
        }
        int4(LOCAL_JUMP_COUNT, 0);
        boolean some = codePageCount <= CODE_PAGE_ENTRIES;
        int pages = some ? codePageCount : CODE_PAGE_ENTRIES;
        codePageCount = 0;
        for (int i = 0; i < pages; i++) {
            int page = some ? codePages[i] : i;
            if (globalCode[page]) {
                codePages[codePageCount++] = page;
            } else {
                // No way to execute has this number.
                set(CODE_PAGES + 16 * page, -1);
            }
        }
    }

    private void clearJump(int at) {
        set(at, (at - JUMP_CACHE) % JUMP_TABLE_SIZE == 0 ? 1 : 0);
    }
}
