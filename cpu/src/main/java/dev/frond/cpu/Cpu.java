// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.cpu.fpu.FpContext;
import dev.frond.cpu.fpu.X87;
import dev.frond.cpu.interp.CodeCache;
import dev.frond.cpu.interp.CodePage;
import dev.frond.host.HostMemory;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.MemoryOrder;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.LocalInterrupts;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The registers of one CPU and the fast paths to its memory: what the meanings of instructions work
 * on. Belongs to its vCPU thread, except {@link #post}.
 *
 * <p>Status flags are kept as the last result and the bits that it does not tell, see {@link
 * #setFlags}.
 */
public final class Cpu {
    // --- general registers
    // ---------------------------------------------------------------------------

    public static final int RAX = 0;
    public static final int RCX = 1;
    public static final int RDX = 2;
    public static final int RBX = 3;
    public static final int RSP = 4;
    public static final int RBP = 5;
    public static final int RSI = 6;
    public static final int RDI = 7;

    /** A register slot that is always 0: the base or index that an address does not have. */
    public static final int NO_REGISTER = 16;

    /**
     * A register slot that holds the instruction pointer of the start of the current code page, so
     * that decoded code is position-independent: it knows only its offset in its page.
     */
    public static final int CODE_BASE = 17;

    /**
     * A register slot that is always 2^32: the index of an address whose displacement from the
     * start of the code page takes more than 32 bits.
     */
    public static final int FOUR_GIB = 18;

    /**
     * General registers 0..15, then {@link #NO_REGISTER}, {@link #CODE_BASE} and {@link #FOUR_GIB}.
     */
    public final long[] r = new long[19];

    /**
     * The instruction pointer; current only between blocks and in instructions that end a block.
     */
    public long rip;

    // --- flags
    // -----------------------------------------------------------------------------------------

    public static final int CF = 1;
    public static final int PF = 4;
    public static final int AF = 0x10;
    public static final int ZF = 0x40;
    public static final int SF = 0x80;
    public static final int TF = 0x100;
    public static final int IF = 0x200;
    public static final int DF = 0x400;
    public static final int OF = 0x800;
    public static final int IOPL = 0x3000;
    public static final int NT = 0x4000;
    public static final int RF = 0x1_0000;
    public static final int VM = 0x2_0000;
    public static final int AC = 0x4_0000;
    public static final int VIF = 0x8_0000;
    public static final int VIP = 0x10_0000;
    public static final int ID = 0x20_0000;

    /** The status flags together. */
    public static final int STATUS = CF | PF | AF | ZF | SF | OF;

    /**
     * The last result, sign-extended: ZF is {@code flagResult == 0}; SF and PF come from it too,
     * unless {@link #flagCarries} says otherwise.
     */
    public long flagResult;

    /**
     * The carries out of the last result's bits, shifted so that its top bit is bit 63: CF is that
     * one, OF whether it differs from the one below. Bit 3 is AF. Bit 1 set forces SF, bit 0 set
     * inverts the parity; all that in one word because each arithmetic instruction writes it.
     */
    public long flagCarries;

    private static final long CARRIES_CF = 1L << 63;
    private static final long CARRIES_OF = 1L << 62;
    private static final long CARRIES_AF = 8;
    private static final long FORCE_SF = 2;
    private static final long INVERT_PF = 1;

    /** All other bits of RFLAGS; bit 1 is always set. */
    public int systemFlags = 2;

    // --- segments, tables, control
    // -----------------------------------------------------------------------

    /** Selectors by {@link Seg} number 0..7. */
    public final int[] selector = new int[8];

    /** Bases by {@link Seg} number 0..11. */
    public final long[] segBase = new long[12];

    /** Limits in bytes, unsigned, by {@link Seg} number 0..7. */
    public final int[] segLimit = new int[8];

    /** Attributes by {@link Seg} number 0..7. */
    public final int[] segAttributes = new int[8];

    public long gdtBase;
    public int gdtLimit;
    public long idtBase;
    public int idtLimit;
    public long cr0;
    public long cr2;
    public long cr3;
    public long cr4;
    public long efer;
    public long xcr0 = 1;

    /** The components of XCR0 that AVX needs: XMM registers and the upper halves of YMM. */
    private static final long XCR0_AVX = 6;

    public final long[] dr = new long[8];

    /** Rights by protection key: two bits each, access and write disabled. */
    public int pkru;

    /** The current privilege level 0..3. */
    public int cpl;

    /** Bits that decoded code depends on: {@link #CODE_32}, {@link #CODE_64}, {@link #USER}. */
    public int mode;

    public static final int CODE_32 = 1;
    public static final int CODE_64 = 2;
    public static final int USER = 4;

    /** 64 minus the bits of a linear address in 64-bit mode: 16, or 7 with 5-level paging. */
    int canonicalShift = 16;

    /** The bits of RSP that stack accesses use: all, 32 or 16. */
    public long stackMask;

    // --- vectors and floating point
    // ------------------------------------------------------------------------

    /** YMM0..15, four longs each, low first, then scratch space for memory operands. */
    public final long[] v = new long[18 * 4];

    /** Index in {@link #v} of the scratch vector that memory operands are loaded to. */
    public static final int SCRATCH = 16 * 4;

    /** Index in {@link #v} of a result that is not known yet to be free of exceptions. */
    public static final int RESULT = 17 * 4;

    /** MXCSR and the exceptions of SSE arithmetic. */
    public final FpContext sse;

    public final X87 x87;

    /**
     * 0, or the vector that SSE instructions raise now: {@link CpuFault#UD} or {@link CpuFault#NM}.
     */
    int sseFault;

    /** As {@link #sseFault} for AVX instructions. */
    int avxFault;

    /** As {@link #sseFault} for MMX instructions. */
    int mmxFault;

    /** As {@link #sseFault} for x87 instructions. */
    int x87Fault;

    /** Room for what one instruction loads before it keeps any of it. */
    public final long[] scratch = new long[8];

    /** Room for an FXSAVE or XSAVE image on its way to or from memory. */
    public final byte[] image = new byte[1024];

    // --- parts
    // ------------------------------------------------------------------------------------------------

    public final Cpuid cpuid;
    public final AddressSpace ports;
    public final Clock clock;
    public final LocalInterrupts interrupts;
    public final Mmu mmu;
    public final Segments segments = new Segments(this);
    public final Delivery delivery = new Delivery(this);
    public final FarTransfers farTransfers = new FarTransfers(this);
    public final VirtualInterrupts virtualInterrupts = new VirtualInterrupts(this);
    public final SystemManagement systemManagement = new SystemManagement(this);
    public final Debug debug = new Debug(this);
    public final Monitor monitor;
    public final Paravirtual paravirtual;
    public final CpuGroup group;

    /** Whether it is at work between {@link CpuGroup#enter} and {@link CpuGroup#leave}. */
    volatile boolean executing;

    final Tasks tasks = new Tasks(this);
    public final Msrs msrs;
    public final CodeCache code;

    /** The machine's main memory: what the fast paths reach. */
    public final GuestMemory ram;

    final CpuFault fault = new CpuFault();

    // --- state of execution
    // ---------------------------------------------------------------------------------

    /**
     * Why the CPU should leave the chain of blocks: bits posted by other threads or by
     * instructions.
     */
    @SuppressWarnings("UnusedVariable") // Read and written through EVENTS.
    private volatile int events;

    /** Look at the interrupt controller. */
    public static final int EVENT_INTERRUPT = 1;

    /** An NMI waits. */
    public static final int EVENT_NMI = 2;

    /** Somebody wants {@code run} to return. */
    public static final int EVENT_KICK = 4;

    /** INIT was received. */
    public static final int EVENT_INIT = 8;

    /** Code pages were written to, or write permissions must be given up. */
    public static final int EVENT_CODE = 16;

    /** The memory map changed. */
    public static final int EVENT_MAP = 32;

    /** Single-step or a debug condition: execute one instruction at a time. */
    public static final int EVENT_STEP = 64;

    /** A system-management interrupt was received. */
    public static final int EVENT_SMI = 256;

    /** A start-up IPI was received. */
    public static final int EVENT_SIPI = 128;

    /** Remember what is executed next, see {@link #sample}. */
    public static final int EVENT_SAMPLE = 4096;

    /** Another CPU wants to be alone for an instruction, see {@link CpuGroup}. */
    public static final int EVENT_ALONE = 2048;

    /** What a paravirtual clock says has changed. */
    public static final int EVENT_TIME = 1024;

    /** What MWAIT waits for was stored to. */
    public static final int EVENT_MONITOR = 512;

    private static final VarHandle EVENTS;

    static {
        try {
            EVENTS = MethodHandles.lookup().findVarHandle(Cpu.class, "events", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();

    /** Not 0 whenever {@link #events} is not, for code that cannot see this object. */
    private MemorySegment attention = MemorySegment.ofArray(new int[1]);

    /** An interrupt is pending that RFLAGS.IF holds back; posted again when IF is set. */
    public boolean interruptHeld;

    /**
     * The instruction at this address is executed before any interrupt; -1 for none (SDM Vol. 3A,
     * 7.8.3).
     */
    public long shadowRip = -1;

    public boolean nmiBlocked;

    /** Bits of DR6 for debug traps that are due after the instruction: 0 for none. */
    public int debugTraps;

    /** The instruction under way traps for RFLAGS.TF when it is done. */
    public boolean stepTrap;

    /**
     * RFLAGS.RF is set for the instruction at this address: breakpoints on it do not count; -1 for
     * none. The flag itself stands nowhere else.
     */
    public long resumeRip = -1;

    /**
     * The instruction at this address follows a load of SS: it is executed before any debug
     * exception (SDM Vol. 3A, 7.8.3); -1 for none.
     */
    public long stackShadowRip = -1;

    /** HLT was executed and no interrupt has come since; or MWAIT, see {@link #monitor}. */
    public boolean halted;

    /** Ends HLT or MWAIT. */
    public void wakeUp() {
        halted = false;
        if (monitor.isWaiting()) {
            monitor.disarm();
        }
    }

    /** The page whose code is executing. */
    public CodePage codePage;

    /** Executing one instruction alone: a store may hit the code page that executes. */
    public boolean alone;

    /**
     * What marks code as found in this mode and through the present translations of this address
     * space; changes whenever a linear address may mean other code than before, see {@link Mmu}.
     */
    public long codeTag;

    /** The same for pages that all address spaces have. */
    public long globalCodeTag;

    /** Instructions executed. */
    public long instructions;

    /**
     * When {@link #instructions} reaches this, the next block is met by chance: {@link #sample}.
     */
    public long sampleAt = Long.MAX_VALUE;

    private static final long SAMPLE_INTERVAL = 1_000_000;

    /** Posts {@link #EVENT_SAMPLE} now and, from then on, each time some more are executed. */
    public void sample() {
        sampleAt = instructions + SAMPLE_INTERVAL;
        post(EVENT_SAMPLE);
    }

    /** TSC minus virtual time; other threads read it. */
    public volatile long tscOffset;

    /** A CPU alone in its machine. */
    public Cpu(
            Cpuid cpuid,
            AddressSpace memory,
            AddressSpace ports,
            GuestMemory ram,
            Clock clock,
            LocalInterrupts interrupts) {
        this(new CpuGroup(), cpuid, memory, ports, ram, clock, interrupts);
    }

    /** A CPU wired to its surroundings, with all registers 0; the caller loads a state. */
    public Cpu(
            CpuGroup group,
            Cpuid cpuid,
            AddressSpace memory,
            AddressSpace ports,
            GuestMemory ram,
            Clock clock,
            LocalInterrupts interrupts) {
        this.group = group;
        this.cpuid = cpuid;
        boolean amd = cpuid.model().isAmd();
        sse = new FpContext(amd);
        x87 = new X87(amd);
        r[FOUR_GIB] = 1L << 32;
        paravirtual = new Paravirtual(this);
        msrs = new Msrs(this);
        this.ports = ports;
        this.clock = clock;
        this.interrupts = interrupts;
        this.ram = ram;
        mmu = new Mmu(this, memory);
        code = new CodeCache(this);
        monitor = new Monitor(this);
        codePage = CodePage.NONE;
        readTlb = mmu.readTlb();
        writeTlb = mmu.writeTlb();
        group.join(this);
    }

    // --- events
    // --------------------------------------------------------------------------------------------------

    /** Posts event bits; from any thread. */
    public void post(int bits) {
        EVENTS.getAndBitwiseOr(this, bits);
        WORD.setRelease(attention, 0L, 1);
    }

    /**
     * Lets the 32-bit word {@code word} be not 0 whenever {@link #hasEvents}; before other threads
     * know this CPU.
     */
    public void attention(MemorySegment word) {
        attention = word;
    }

    /** Whether the CPU should look at {@link #takeEvents} soon; read at every end of a block. */
    public boolean hasEvents() {
        return (int) EVENTS.getOpaque(this) != 0;
    }

    /** Takes all posted event bits. */
    public int takeEvents() {
        WORD.setVolatile(attention, 0L, 0);
        return (int) EVENTS.getAndSet(this, 0);
    }

    // --- flags: reading and writing
    // ------------------------------------------------------------------------------

    public boolean cf() {
        return flagCarries < 0;
    }

    /** CF as 0 or 1. */
    public int carry() {
        return (int) (flagCarries >>> 63);
    }

    public boolean af() {
        return (flagCarries & CARRIES_AF) != 0;
    }

    public boolean zf() {
        return flagResult == 0;
    }

    public boolean sf() {
        return flagResult < 0 || (flagCarries & FORCE_SF) != 0;
    }

    public boolean of() {
        return (flagCarries ^ flagCarries << 1) < 0;
    }

    public boolean pf() {
        int parity = (int) flagResult & 0xFF;
        parity ^= parity >>> 4;
        // 0x6996 is the parity of each nibble; PF is set for an even number of ones.
        return ((0x6996 >>> (parity & 15) & 1) == 0) != ((flagCarries & INVERT_PF) != 0);
    }

    /**
     * The condition with number {@code cc} 0..15 as Jcc, SETcc and CMOVcc encode it (SDM Vol. 2D,
     * B.1.4.7).
     */
    public boolean condition(int cc) {
        boolean base =
                switch (cc >>> 1) {
                    case 0 -> of();
                    case 1 -> cf();
                    case 2 -> zf();
                    case 3 -> cf() || zf();
                    case 4 -> sf();
                    case 5 -> pf();
                    case 6 -> sf() != of();
                    default -> zf() || sf() != of();
                };
        return base != ((cc & 1) != 0);
    }

    /** The status flags at their places in RFLAGS. */
    public int statusFlags() {
        return carry()
                | (pf() ? PF : 0)
                | (af() ? AF : 0)
                | (zf() ? ZF : 0)
                | (sf() ? SF : 0)
                | (of() ? OF : 0);
    }

    /** Sets the status flags from their places in RFLAGS. */
    public void setStatusFlags(long flags) {
        int bits = (int) flags;
        boolean zero = (bits & ZF) != 0;
        flagResult = zero ? 0 : 1;
        // A result of 0 has even parity, a result of 1 odd: PF tells whether that must be inverted.
        boolean invert = zero != ((bits & PF) != 0);
        flagCarries = carries(bits) | ((bits & SF) != 0 ? FORCE_SF : 0) | (invert ? INVERT_PF : 0);
    }

    /** Sets flags after a result: {@code bits} are CF, AF and OF. */
    public void setFlags(long signExtendedResult, int bits) {
        flagResult = signExtendedResult;
        flagCarries = carries(bits);
    }

    /**
     * Sets flags after a sum or difference of {@code size} bytes: {@code carries} has the carry or
     * borrow out of bit i at bit i.
     */
    public void setFlagsByCarries(int size, long signExtendedResult, long carries) {
        flagResult = signExtendedResult;
        flagCarries = size == 8 ? carries & ~7L : carries << 64 - 8 * size | carries & CARRIES_AF;
    }

    private static long carries(int bits) {
        boolean cf = (bits & CF) != 0;
        return (cf ? CARRIES_CF : 0)
                | (cf != ((bits & OF) != 0) ? CARRIES_OF : 0)
                | ((bits & AF) != 0 ? CARRIES_AF : 0);
    }

    /** Sets CF alone. */
    public void setCarry(boolean set) {
        long change = (flagCarries ^ (set ? CARRIES_CF : 0)) & CARRIES_CF;
        // OF is told by the two top bits together.
        flagCarries ^= change | change >>> 1;
    }

    /** Sets OF alone. */
    public void setOverflow(boolean set) {
        if (of() != set) {
            flagCarries ^= CARRIES_OF;
        }
    }

    /** RFLAGS. */
    public long rflags() {
        return systemFlags | statusFlags();
    }

    /** Sets RFLAGS whole, as a load of state does. */
    public void setRflags(long flags) {
        setStatusFlags(flags);
        setSystemFlags((int) flags & ~STATUS | 2);
    }

    /** Sets the flags other than the status flags, and lets what depends on them follow. */
    public void setSystemFlags(int flags) {
        int changed = systemFlags ^ flags;
        systemFlags = flags & ~RF;
        if ((changed & AC) != 0) {
            mmu.selectTlb();
        }
        if ((flags & IF) != 0 && interruptHeld) {
            interruptHeld = false;
            post(EVENT_INTERRUPT);
        }
        if ((flags & TF) != 0) {
            post(EVENT_STEP);
        }
        if ((changed & VM) != 0) {
            segments.modeChanged();
        }
    }

    /** RF is as in {@code flags} for the instruction at {@link #rip}, which was just set. */
    void resume(long flags) {
        resumeRip = (flags & RF) != 0 ? rip : -1;
    }

    /**
     * A repeated instruction at {@code at} is broken off between two elements, to be gone on with.
     */
    public void goOnAt(long at) {
        rip = at;
        resumeRip = at;
    }

    // --- mode
    // ----------------------------------------------------------------------------------------------------

    public boolean is64() {
        return (mode & CODE_64) != 0;
    }

    /** EFER.LMA: long mode, 64-bit or compatibility. */
    public boolean longMode() {
        return (efer & Msrs.EFER_LMA) != 0;
    }

    public boolean protectedMode() {
        return (cr0 & ControlRegisters.PE) != 0;
    }

    /** Whether {@code linear} is canonical in the paging mode in force. */
    public boolean isCanonical(long linear) {
        return linear << canonicalShift >> canonicalShift == linear;
    }

    /** Whether {@code linear} is canonical in the widest paging mode that the CPU has. */
    public boolean isCanonicalEver(long linear) {
        int shift = cpuid.has(CpuFeature.LA57) ? 7 : 16;
        return linear << shift >> shift == linear;
    }

    public boolean v8086() {
        return (systemFlags & VM) != 0;
    }

    /** Protected mode without virtual-8086: where selectors name descriptors. */
    public boolean selectorsNameDescriptors() {
        return protectedMode() && !v8086();
    }

    public int iopl() {
        return systemFlags >>> 12 & 3;
    }

    /** Sets PKRU. */
    public void setPkru(int value) {
        if (pkru != value) {
            pkru = value;
            if ((cr4 & ControlRegisters.PKE) != 0) {
                mmu.flush();
            }
        }
    }

    // --- faults
    // --------------------------------------------------------------------------------------------------

    /** The fault to throw for a vector without error code, or with error code 0. */
    public CpuFault fault(int vector) {
        return fault(vector, 0);
    }

    /** The fault to throw. */
    public CpuFault fault(int vector, int errorCode) {
        fault.vector = vector;
        fault.errorCode = errorCode;
        fault.nonCanonical = false;
        fault.ripIsSet = false;
        return fault;
    }

    /** #GP(0). */
    public CpuFault gp() {
        return fault(CpuFault.GP, 0);
    }

    /** #GP(0) of the instruction at {@code at}, whichever led there. */
    public CpuFault gpAt(long at) {
        rip = at;
        CpuFault gp = gp();
        gp.ripIsSet = true;
        return gp;
    }

    /** #UD. */
    public CpuFault ud() {
        return fault(CpuFault.UD, 0);
    }

    /**
     * To throw before a store that would change code of the page that executes: the instruction is
     * then executed again, alone, and what follows it is decoded anew. Thrown before any effect.
     */
    CpuFault restartAlone() {
        return fault(CpuFault.RESTART_ALONE, 0);
    }

    /** To throw where the processor shuts down at once. */
    CpuFault shutdown() {
        return fault(CpuFault.SHUTDOWN, 0);
    }

    /** #GP(0) unless the CPU runs at privilege level 0. */
    public void requireCpl0() {
        if (cpl != 0) {
            throw gp();
        }
    }

    /** #UD or #NM unless SSE instructions may execute. */
    public void requireSse() {
        if (sseFault != 0) {
            throw fault(sseFault);
        }
    }

    /** Whether {@link #requireSse} would throw nothing. */
    public boolean mayUseSse() {
        return sseFault == 0;
    }

    /** Whether vector instructions with a VEX prefix may execute. */
    public boolean mayUseAvx() {
        return avxFault == 0;
    }

    /** #UD, #NM or #MF unless MMX instructions may execute. */
    public void requireMmx() {
        if (mmxFault != 0) {
            throw fault(mmxFault);
        }
        requireNoX87Exception();
    }

    /** Whether {@link #requireX87} would throw nothing; nor would {@link #requireFxsave} then. */
    public boolean mayUseX87() {
        return x87Fault == 0;
    }

    /** #NM unless x87 instructions may execute; what those that do not wait demand. */
    public void requireX87() {
        if (x87Fault != 0) {
            throw fault(x87Fault);
        }
    }

    /**
     * #MF if an x87 exception waits. With CR0.NE clear a PC's FERR# would raise IRQ 13 instead;
     * there is no such wire, so that #MF is raised then too.
     */
    public void requireNoX87Exception() {
        if (x87.pendingException()) {
            throw fault(CpuFault.MF);
        }
    }

    /** #NM unless FWAIT may execute: only CR0.MP makes it heed CR0.TS. */
    public void requireWait() {
        if ((cr0 & (ControlRegisters.MP | ControlRegisters.TS))
                == (ControlRegisters.MP | ControlRegisters.TS)) {
            throw fault(CpuFault.NM);
        }
    }

    /**
     * #UD or #NM unless FXSAVE and FXRSTOR may execute; an exception that waits does not stop them.
     */
    public void requireFxsave() {
        if (mmxFault != 0) {
            throw fault(mmxFault);
        }
    }

    /** #NM if CR0.TS is set. */
    public void requireNotTaskSwitched() {
        if ((cr0 & ControlRegisters.TS) != 0) {
            throw fault(CpuFault.NM);
        }
    }

    /** #UD or #NM unless AVX instructions may execute (SDM Vol. 2A, 2.4). */
    public void requireAvx() {
        if (avxFault != 0) {
            throw fault(avxFault);
        }
    }

    /** #UD unless instructions with a VEX prefix exist: in protected mode only. */
    public void requireVex() {
        if (!selectorsNameDescriptors()) {
            throw ud();
        }
    }

    /** #GP(0) unless {@code linear} is a multiple of {@code bytes}, a power of two. */
    public void requireAligned(long linear, int bytes) {
        if ((linear & bytes - 1) != 0) {
            throw gp();
        }
    }

    /**
     * The fault to throw after an unmasked SSE exception: #XM, or #UD if the system does not know
     * that.
     */
    public CpuFault simdFault() {
        return fault((cr4 & ControlRegisters.OSXMMEXCPT) != 0 ? CpuFault.XM : CpuFault.UD);
    }

    /**
     * Lets the checks of floating point and vectors follow CR0 and CR4 (SDM Vol. 3A, table 2-2 and
     * 14.1).
     */
    void followFloatingPoint() {
        boolean em = (cr0 & ControlRegisters.EM) != 0;
        boolean ts = (cr0 & ControlRegisters.TS) != 0;
        int notAvailable = ts ? CpuFault.NM : 0;
        x87Fault = em ? CpuFault.NM : notAvailable;
        mmxFault = em ? CpuFault.UD : notAvailable;
        sseFault = em || (cr4 & ControlRegisters.OSFXSR) == 0 ? CpuFault.UD : notAvailable;
        boolean avx =
                selectorsNameDescriptors()
                        && (cr4 & ControlRegisters.OSXSAVE) != 0
                        && (xcr0 & XCR0_AVX) == XCR0_AVX;
        avxFault = avx ? notAvailable : CpuFault.UD;
    }

    // --- memory: the fast paths
    // ----------------------------------------------------------------------------------

    /**
     * All of the process's memory: what the TLBs lead to are addresses of the host, so that neither
     * the bounds nor the liveness of a segment are checked anew at each access. A TLB holds only
     * pages of {@link #ram}, whole ones, and the machine stops its CPUs before it gives RAM back.
     */
    private static final MemorySegment HOST = HostMemory.everything();

    private static final VarHandle BYTE = exact(ValueLayout.JAVA_BYTE);
    private static final VarHandle SHORT = exact(ValueLayout.JAVA_SHORT_UNALIGNED);
    private static final VarHandle INT = exact(ValueLayout.JAVA_INT_UNALIGNED);
    private static final VarHandle LONG = exact(ValueLayout.JAVA_LONG_UNALIGNED);

    private static VarHandle exact(ValueLayout layout) {
        return layout.varHandle().withInvokeExactBehavior();
    }

    private static final VarHandle IMAGE =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle ATOMIC_INT = exact(ValueLayout.JAVA_INT);
    private static final VarHandle ATOMIC_LONG = exact(ValueLayout.JAVA_LONG);

    /** The TLB for loads in force: tag and addend interleaved, see {@link Mmu}. */
    long[] readTlb;

    /** The TLB for stores in force. */
    long[] writeTlb;

    // The addend is read before the tag is compared, so that one check of the array's bounds serves
    // both.
    private static int slot(long linear) {
        return (int) (linear >>> Mmu.PAGE_SHIFT - 1) & Mmu.TLB_SLOT_MASK;
    }

    public int load8(long linear) {
        long[] tlb = readTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear & Mmu.PAGE_MASK)) {
            byte value = (byte) BYTE.get(HOST, linear + addend);
            MemoryOrder.loaded();
            return value;
        }
        return (int) mmu.loadSlow(linear, 1);
    }

    public int load16(long linear) {
        long[] tlb = readTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 1 & Mmu.PAGE_MASK)) {
            short value = (short) SHORT.get(HOST, linear + addend);
            MemoryOrder.loaded();
            return value;
        }
        return (int) mmu.loadSlow(linear, 2);
    }

    public int load32(long linear) {
        long[] tlb = readTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 3 & Mmu.PAGE_MASK)) {
            int value = (int) INT.get(HOST, linear + addend);
            MemoryOrder.loaded();
            return value;
        }
        return (int) mmu.loadSlow(linear, 4);
    }

    public long load64(long linear) {
        long[] tlb = readTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 7 & Mmu.PAGE_MASK)) {
            long value = (long) LONG.get(HOST, linear + addend);
            MemoryOrder.loaded();
            return value;
        }
        return mmu.loadSlow(linear, 8);
    }

    /** Loads {@code size} (1, 2, 4, 8) bytes; the bits above are unspecified. */
    public long load(long linear, int size) {
        return switch (size) {
            case 1 -> load8(linear);
            case 2 -> load16(linear);
            case 4 -> load32(linear);
            default -> load64(linear);
        };
    }

    /**
     * Loads what the same instruction will store to: faults as the store would, before anything has
     * happened.
     */
    public long loadForUpdate(long linear, int size) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + size - 1 & Mmu.PAGE_MASK)) {
            long at = linear + addend;
            long value =
                    switch (size) {
                        case 1 -> (byte) BYTE.get(HOST, at);
                        case 2 -> (short) SHORT.get(HOST, at);
                        case 4 -> (int) INT.get(HOST, at);
                        default -> (long) LONG.get(HOST, at);
                    };
            MemoryOrder.loaded();
            return value;
        }
        mmu.checkStore(linear, size);
        return mmu.loadSlow(linear, size);
    }

    public void store8(long linear, long value) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear & Mmu.PAGE_MASK)) {
            MemoryOrder.storing();
            BYTE.set(HOST, linear + addend, (byte) value);
        } else {
            mmu.storeSlow(linear, 1, value);
        }
    }

    public void store16(long linear, long value) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 1 & Mmu.PAGE_MASK)) {
            MemoryOrder.storing();
            SHORT.set(HOST, linear + addend, (short) value);
        } else {
            mmu.storeSlow(linear, 2, value);
        }
    }

    public void store32(long linear, long value) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 3 & Mmu.PAGE_MASK)) {
            MemoryOrder.storing();
            INT.set(HOST, linear + addend, (int) value);
        } else {
            mmu.storeSlow(linear, 4, value);
        }
    }

    public void store64(long linear, long value) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 7 & Mmu.PAGE_MASK)) {
            MemoryOrder.storing();
            LONG.set(HOST, linear + addend, value);
        } else {
            mmu.storeSlow(linear, 8, value);
        }
    }

    /** Stores the low {@code size} (1, 2, 4, 8) bytes. */
    public void store(long linear, int size, long value) {
        switch (size) {
            case 1 -> store8(linear, value);
            case 2 -> store16(linear, value);
            case 4 -> store32(linear, value);
            default -> store64(linear, value);
        }
    }

    /** Stores {@code value} atomically if {@code expected} stands there (1, 2, 4, 8 bytes). */
    public boolean compareAndSet(long linear, int size, long expected, long value) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (size >= 4 && (linear & size - 1) == 0 && tlb[slot] == (linear & Mmu.PAGE_MASK)) {
            long at = linear + addend;
            return size == 8
                    ? ATOMIC_LONG.compareAndSet(HOST, at, expected, value)
                    : ATOMIC_INT.compareAndSet(HOST, at, (int) expected, (int) value);
        }
        return mmu.compareAndSet(linear, size, expected, value);
    }

    /** Loads 16 bytes to {@link #v} at {@code index}; both halves or a fault. */
    public void load128(long linear, int index) {
        long[] tlb = readTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 15 & Mmu.PAGE_MASK)) {
            long at = linear + addend;
            v[index] = (long) LONG.get(HOST, at);
            v[index + 1] = (long) LONG.get(HOST, at + 8);
            MemoryOrder.loaded();
        } else {
            long low = mmu.loadSlow(linear, 8);
            v[index + 1] = load64(linear + 8);
            v[index] = low;
        }
    }

    /** Stores 16 bytes, all or none. */
    public void store128(long linear, long low, long high) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 15 & Mmu.PAGE_MASK)) {
            long at = linear + addend;
            MemoryOrder.storing();
            LONG.set(HOST, at, low);
            LONG.set(HOST, at + 8, high);
        } else {
            mmu.checkStore(linear, 16);
            store64(linear, low);
            store64(linear + 8, high);
        }
    }

    /** Loads 32 bytes to {@link #v} at {@code index}; all or a fault. */
    public void load256(long linear, int index) {
        long[] tlb = readTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 31 & Mmu.PAGE_MASK)) {
            long at = linear + addend;
            v[index] = (long) LONG.get(HOST, at);
            v[index + 1] = (long) LONG.get(HOST, at + 8);
            v[index + 2] = (long) LONG.get(HOST, at + 16);
            v[index + 3] = (long) LONG.get(HOST, at + 24);
            MemoryOrder.loaded();
        } else {
            long e0 = load64(linear);
            long e1 = load64(linear + 8);
            long e2 = load64(linear + 16);
            v[index + 3] = load64(linear + 24);
            v[index + 2] = e2;
            v[index + 1] = e1;
            v[index] = e0;
        }
    }

    /** Stores 32 bytes, all or none. */
    public void store256(long linear, long e0, long e1, long e2, long e3) {
        long[] tlb = writeTlb;
        int slot = slot(linear);
        long addend = tlb[slot + 1];
        if (tlb[slot] == (linear + 31 & Mmu.PAGE_MASK)) {
            long at = linear + addend;
            MemoryOrder.storing();
            LONG.set(HOST, at, e0);
            LONG.set(HOST, at + 8, e1);
            LONG.set(HOST, at + 16, e2);
            LONG.set(HOST, at + 24, e3);
        } else {
            mmu.checkStore(linear, 32);
            store64(linear, e0);
            store64(linear + 8, e1);
            store64(linear + 16, e2);
            store64(linear + 24, e3);
        }
    }

    /** Copies up to a page of bytes to {@link #image}, all or a fault. */
    public void loadImage(long linear, int bytes) {
        int i = 0;
        for (; i + 8 <= bytes; i += 8) {
            IMAGE.set(image, i, load64(linear + i));
        }
        for (; i < bytes; i++) {
            image[i] = (byte) load8(linear + i);
        }
    }

    /**
     * Stores the bytes of {@link #image} between two offsets to those from {@code linear}, all or
     * none.
     */
    public void storeImage(long linear, int from, int to) {
        mmu.checkStore(linear + from, to - from);
        int i = from;
        for (; i + 8 <= to; i += 8) {
            store64(linear + i, (long) IMAGE.get(image, i));
        }
        for (; i < to; i++) {
            store8(linear + i, image[i]);
        }
    }

    /**
     * The linear address of {@code size} bytes at {@code offset} in segment {@code seg} (a {@link
     * Seg} number 0..5 or 8..11), checked against type and limit where the mode does that.
     */
    public long linear(int seg, long offset, int size, boolean write) {
        if (seg >= Seg.FLAT) {
            return offset + segBase[seg];
        }
        return segments.checkedLinear(seg, offset, size, write);
    }

    // --- the stack
    // -------------------------------------------------------------------------------------------------

    private long stackLinear(long pointer, int size, boolean write) {
        return is64() ? pointer : segments.checkedLinear(Seg.SS, pointer & stackMask, size, write);
    }

    /** Sets RSP within the stack's address size. */
    public void setStackPointer(long pointer) {
        r[RSP] = r[RSP] & ~stackMask | pointer & stackMask;
    }

    /** Pushes the low {@code size} (2, 4, 8) bytes; RSP moves only if nothing faults. */
    public void push(int size, long value) {
        pushLow(size, size, value);
    }

    /** As {@link #push}, but of what RSP moves by only the low {@code stored} bytes are stored. */
    public void pushLow(int size, int stored, long value) {
        long pointer = r[RSP] - size;
        try {
            store(stackLinear(pointer, stored, true), stored, value);
        } catch (CpuFault fault) {
            throw fault.ofStack();
        }
        setStackPointer(pointer);
    }

    /** Pops {@code size} (2, 4, 8) bytes, bits above unspecified. */
    public long pop(int size) {
        long value = peek(size, 0);
        setStackPointer(r[RSP] + size);
        return value;
    }

    /** The {@code size} bytes at {@code offset} from the stack's top, bits above unspecified. */
    public long peek(int size, long offset) {
        return loadStack(r[RSP] + offset, size);
    }

    /**
     * The selector in the {@code size} bytes at {@code offset} from the stack's top. Of 32 bits
     * processors of Intel look at no more than the lower half, as the store of PUSH does.
     */
    public int peekSelector(int size, long offset) {
        return (int) peek(size == 4 && !cpuid.model().isAmd() ? 2 : size, offset) & 0xFFFF;
    }

    /** The {@code size} bytes at {@code pointer} of the stack, bits above unspecified. */
    public long loadStack(long pointer, int size) {
        try {
            return load(stackLinear(pointer, size, false), size);
        } catch (CpuFault fault) {
            throw fault.ofStack();
        }
    }

    /** Faults as a push of {@code size} bytes that moves the stack pointer to {@code pointer}. */
    public void checkStack(long pointer, int size) {
        try {
            mmu.checkStore(stackLinear(pointer, size, true), size);
        } catch (CpuFault fault) {
            throw fault.ofStack();
        }
    }

    // --- registers by width
    // ----------------------------------------------------------------------------------------

    /**
     * Writes general register {@code index} 0..15: 4 bytes clear the upper half, 2 bytes leave the
     * rest.
     */
    public void setRegister(int index, int size, long value) {
        switch (size) {
            case 8 -> r[index] = value;
            case 4 -> r[index] = value & 0xFFFF_FFFFL;
            case 2 -> r[index] = r[index] & ~0xFFFFL | value & 0xFFFF;
            default -> r[index] = r[index] & ~0xFFL | value & 0xFF;
        }
    }
}
