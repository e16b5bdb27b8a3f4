// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Runs machine code on the host's processor with registers of one's choice and captures what it
 * leaves, faults included: the judge that the emulated processor is held against.
 *
 * <p>The state in and out is one block of memory: 16 general registers, RFLAGS, x87, MMX, XMM or
 * YMM, MXCSR. A run is one downcall of about half a microsecond, a run that faults takes about two.
 * Code is put into the code region by {@link #load} and ends by running off its end into a jump to
 * the runner. 64-bit code and, through CS 23h, 32-bit code can be run, and code in segments of
 * {@link LocalDescriptors}; all memory of the runner is below 2 GiB, so that all reach it.
 *
 * <p>Any value may stand in any register, RSP too: during a run the thread has an alternate signal
 * stack and blocks every signal that is not a fault. The code must end by itself and must not do
 * system calls, load FS or GS, or write memory that is not its own; nothing protects the process
 * from that. One thread uses a runner at a time, any thread can.
 */
public final class NativeCode implements AutoCloseable {
    /** The mode that code runs in. */
    public enum Mode {
        /** 64-bit mode. */
        LONG(0x33, 0),
        /**
         * 32-bit compatibility mode, flat segments. Only the first eight general and vector
         * registers exist.
         */
        COMPATIBILITY(0x23, 0x2B);

        // Linux's __USER_CS, __USER32_CS and __USER_DS (arch/x86/include/asm/segment.h).
        private final int codeSelector;
        private final int dataSelector;

        Mode(int codeSelector, int dataSelector) {
            this.codeSelector = codeSelector;
            this.dataSelector = dataSelector;
        }
    }

    /**
     * The selectors that code starts with, or has left, besides the ones of {@link Mode}: those of
     * {@link LocalDescriptors}, null ones, and the host kernel's 23h and 2Bh.
     */
    public record Segments(int cs, int ss, int ds, int es, int fs, int gs) {}

    /** The signals that Linux turns processor exceptions into. */
    public enum Signal {
        SIGILL(4),
        SIGTRAP(5),
        SIGBUS(7),
        SIGFPE(8),
        SIGSEGV(11);

        private final int number;

        Signal(int number) {
            this.number = number;
        }

        private static Signal of(int number) {
            for (Signal signal : values()) {
                if (signal.number == number) {
                    return signal;
                }
            }
            throw new AssertionError("the fault handler took signal " + number);
        }
    }

    /** How a run ended. */
    public sealed interface Outcome {
        /** The code reached the runner's exit. */
        record Completed() implements Outcome {}

        /**
         * {@link NativeCode#step} did its one instruction; {@code rip} is where the next one would
         * be.
         */
        record Stepped(long rip) implements Outcome {}

        /**
         * An exception ended the run; the registers are those at the exception.
         *
         * @param code the signal's si_code
         * @param trapNumber the exception's vector, for example 14 for #PF
         * @param errorCode the exception's error code, 0 if it has none
         * @param address the accessed address (CR2) if the vector is 14, else what Linux reports: 0
         *     for #GP, RIP for #DE and #UD
         * @param rip the instruction, or the one behind it for traps such as #BP
         */
        record Faulted(
                Signal signal, int code, int trapNumber, long errorCode, long address, long rip)
                implements Outcome {}
    }

    // General registers in the order of their encoding.
    public static final int RAX = 0;
    public static final int RCX = 1;
    public static final int RDX = 2;
    public static final int RBX = 3;
    public static final int RSP = 4;
    public static final int RBP = 5;
    public static final int RSI = 6;
    public static final int RDI = 7;

    /** The flags that code is started with as chosen: CF, PF, AF, ZF, SF, DF and OF. */
    public static final long SETTABLE_FLAGS = 0xCD5;

    /** Size of the stack that RSP points to the end of after {@link #reset}. */
    public static final int STACK_SIZE = 0x10000;

    private static final int MXCSR_DEFAULT = 0x1F80;
    private static final int FCW_DEFAULT = 0x37F;
    private static final long FLAG_TF = 0x100;
    private static final long FLAG_1 = 0x2;
    private static final int DB = 1;

    // FXSAVE image (Intel SDM vol. 1, 10.5.1) and XSAVE header behind it.
    private static final int FXSAVE_SIZE = 512;
    private static final int FXSAVE_FCW = 0;
    private static final int FXSAVE_MXCSR = 24;
    private static final int FXSAVE_MXCSR_MASK = 28;
    private static final int FXSAVE_XMM = 160;

    /** The mask of a processor that reports none (same section). */
    private static final int MXCSR_MASK_DEFAULT = 0xFFBF;

    private static final int FEATURE_AVX = 1;
    private static final int FEATURE_FSGSBASE = 2;

    private static final int AT_HWCAP2 = 26;
    private static final int HWCAP2_FSGSBASE = 2;

    /** linux/signal.h: nobody is on the alternate stack while it is disarmed. */
    private static final int SS_AUTODISARM = 1 << 31;

    private static final int PAGE = 0x1000;
    private static final int ALTERNATE_STACK = PAGE;
    private static final int ALTERNATE_STACK_SIZE = 0x10000;
    private static final int STACK = ALTERNATE_STACK + ALTERNATE_STACK_SIZE;

    /**
     * The way in and the way out. The state block is the page behind this code. In: the host's
     * stack pointer, control words, FS base, signal mask and alternate stack are put away, every
     * register is loaded, IRET enters the code: it sets CS, RIP, RFLAGS and RSP at once, and it
     * serializes, so that code written through another mapping is seen. Out: at {@code exit} from
     * the code's end, at {@code faulted} from {@link FaultHandler}, which has then stored the
     * general registers.
     */
    static final String CODE_TEXT =
            """
                                   | GPR equ $$ + 0x1000
                                   | RFLAGS equ $$ + 0x1080
                                   | SIGNAL equ $$ + 0x1090
                                   | FRAME equ $$ + 0x10C0
                                   | FRAME_RFLAGS equ $$ + 0x10D0
                                   | FRAME_RSP equ $$ + 0x10D8
                                   | FEATURES equ $$ + 0x10E8
                                   | SELECTOR equ $$ + 0x10EC
                                   | HOST_RSP equ $$ + 0x10F0
                                   | HOST_FS equ $$ + 0x10F8
                                   | HOST_MXCSR equ $$ + 0x1100
                                   | HOST_FCW equ $$ + 0x1104
                                   | BLOCKED equ $$ + 0x1108
                                   | HOST_MASK equ $$ + 0x1110
                                   | STACK equ $$ + 0x1118
                                   | HOST_STACK equ $$ + 0x1130
                                   | TARGET equ $$ + 0x1148
                                   | SEGMENTS equ $$ + 0x1150
                                   | SEGMENTED equ $$ + 0x115C
                                   | AFTER equ $$ + 0x1160
                                   | AREA equ $$ + 0x1200
                                   | XSTATE_BV equ $$ + 0x1400
                                   | enter:
            53                     |     push rbx
            55                     |     push rbp
            4154                   |     push r12
            4155                   |     push r13
            4156                   |     push r14
            4157                   |     push r15
            488925DF100000         |     mov [rel HOST_RSP], rsp
            0FAE1DE8100000         |     stmxcsr [rel HOST_MXCSR]
            D93DE6100000           |     fnstcw [rel HOST_FCW]
                                   |     ; rt_sigprocmask(SIG_BLOCK): no handler that expects a good stack
            B80E000000             |     mov eax, 14
            31FF                   |     xor edi, edi
            488D35DC100000         |     lea rsi, [rel BLOCKED]
            488D15DD100000         |     lea rdx, [rel HOST_MASK]
            41BA08000000           |     mov r10d, 8
            0F05                   |     syscall
                                   |     ; sigaltstack: one for the faults
            B883000000             |     mov eax, 131
            488D3DD1100000         |     lea rdi, [rel STACK]
            488D35E2100000         |     lea rsi, [rel HOST_STACK]
            0F05                   |     syscall
            F6059110000002         |     test byte [rel FEATURES], 2
            740C                   |     jz segments
                                   |     ; the C library's thread pointer
            F3480FAEC0             |     rdfsbase rax
            48890593100000         |     mov [rel HOST_FS], rax
                                   | segments:
            8B0D81100000           |     mov ecx, [rel SELECTOR]
            85C9                   |     test ecx, ecx
            7425                   |     jz extended
                                   |     ; 32-bit code has data segments, 64-bit code has none
            8ED9                   |     mov ds, ecx
            8EC1                   |     mov es, ecx
            F605E210000001         |     test byte [rel SEGMENTED], 1
            7418                   |     jz extended
            8E1DCE100000           |     mov ds, [rel SEGMENTS + 0]
            8E05CA100000           |     mov es, [rel SEGMENTS + 2]
            8E25C6100000           |     mov fs, [rel SEGMENTS + 4]
            8E2DC2100000           |     mov gs, [rel SEGMENTS + 6]
                                   | extended:
            F6054D10000001         |     test byte [rel FEATURES], 1
            741C                   |     jz legacy
                                   |     ; x87, SSE and AVX state all come from the block
            48C7055813000007000000 |     mov qword [rel XSTATE_BV], 7
            B807000000             |     mov eax, 7
            31D2                   |     xor edx, edx
            480FAE2D49110000       |     xrstor64 [rel AREA]
            EB08                   |     jmp general
                                   | legacy:
            480FAE0D3F110000       |     fxrstor64 [rel AREA]
                                   | general:
            488B05580F0000         |     mov rax, [rel GPR + 0x20]
            48890509100000         |     mov [rel FRAME_RSP], rax
            488B05AA0F0000         |     mov rax, [rel RFLAGS]
            488905F30F0000         |     mov [rel FRAME_RFLAGS], rax
            488B0D240F0000         |     mov rcx, [rel GPR + 0x08]
            488B15250F0000         |     mov rdx, [rel GPR + 0x10]
            488B1D260F0000         |     mov rbx, [rel GPR + 0x18]
            488B2D2F0F0000         |     mov rbp, [rel GPR + 0x28]
            488B35300F0000         |     mov rsi, [rel GPR + 0x30]
            488B3D310F0000         |     mov rdi, [rel GPR + 0x38]
            4C8B05320F0000         |     mov r8, [rel GPR + 0x40]
            4C8B0D330F0000         |     mov r9, [rel GPR + 0x48]
            4C8B15340F0000         |     mov r10, [rel GPR + 0x50]
            4C8B1D350F0000         |     mov r11, [rel GPR + 0x58]
            4C8B25360F0000         |     mov r12, [rel GPR + 0x60]
            4C8B2D370F0000         |     mov r13, [rel GPR + 0x68]
            4C8B35380F0000         |     mov r14, [rel GPR + 0x70]
            4C8B3D390F0000         |     mov r15, [rel GPR + 0x78]
            488D257A0F0000         |     lea rsp, [rel FRAME]
            488B05B30E0000         |     mov rax, [rel GPR + 0x00]
                                   |     ; to RIP, CS, RFLAGS, RSP, SS of FRAME
            48CF                   |     iretq
                                   |     ; from here, since IRETQ to a 16-bit stack leaves the upper half of ESP
                                   | segmented:
            8E1503100000           |     mov ss, [rel SEGMENTS + 8]
            FF2DED0F0000           |     jmp far dword [rel TARGET]
                                   |     ; stores leave the flags alone, and no register is free before
                                   | exit:
            4889059E0E0000         |     mov [rel GPR + 0x00], rax
            48890D9F0E0000         |     mov [rel GPR + 0x08], rcx
            488915A00E0000         |     mov [rel GPR + 0x10], rdx
            48891DA10E0000         |     mov [rel GPR + 0x18], rbx
            488925A20E0000         |     mov [rel GPR + 0x20], rsp
            48892DA30E0000         |     mov [rel GPR + 0x28], rbp
            488935A40E0000         |     mov [rel GPR + 0x30], rsi
            48893DA50E0000         |     mov [rel GPR + 0x38], rdi
            4C8905A60E0000         |     mov [rel GPR + 0x40], r8
            4C890DA70E0000         |     mov [rel GPR + 0x48], r9
            4C8915A80E0000         |     mov [rel GPR + 0x50], r10
            4C891DA90E0000         |     mov [rel GPR + 0x58], r11
            4C8925AA0E0000         |     mov [rel GPR + 0x60], r12
            4C892DAB0E0000         |     mov [rel GPR + 0x68], r13
            4C8935AC0E0000         |     mov [rel GPR + 0x70], r14
            4C893DAD0E0000         |     mov [rel GPR + 0x78], r15
            488B251E0F0000         |     mov rsp, [rel HOST_RSP]
            9C                     |     pushfq
            8F05A70E0000           |     pop qword [rel RFLAGS]
            C705AD0E000000000000   |     mov dword [rel SIGNAL], 0
                                   | faulted:
            488B25060F0000         |     mov rsp, [rel HOST_RSP]
                                   |     ; no DF, AC or TF any more
            6A02                   |     push 2
            9D                     |     popfq
            F605F40E000001         |     test byte [rel FEATURES], 1
            7414                   |     jz save_legacy
            B807000000             |     mov eax, 7
            31D2                   |     xor edx, edx
            480FAE25FB0F0000       |     xsave64 [rel AREA]
            C5F877                 |     vzeroupper
            EB08                   |     jmp host
                                   | save_legacy:
            480FAE05EE0F0000       |     fxsave64 [rel AREA]
                                   | host:
                                   |     ; no pending x87 exception, no MMX, as the ABI has it
            DBE3                   |     fninit
            D92DEA0E0000           |     fldcw [rel HOST_FCW]
            0FAE15DF0E0000         |     ldmxcsr [rel HOST_MXCSR]
            833DC40E000000         |     cmp dword [rel SELECTOR], 0
            7438                   |     je thread
            8C1D300F0000           |     mov [rel AFTER + 0], ds
            8C052C0F0000           |     mov [rel AFTER + 2], es
            31C0                   |     xor eax, eax
            8ED8                   |     mov ds, eax
            8EC0                   |     mov es, eax
            F605190F000001         |     test byte [rel SEGMENTED], 1
            741D                   |     jz thread
            8C25190F0000           |     mov [rel AFTER + 4], fs
            8C2D150F0000           |     mov [rel AFTER + 6], gs
            8C15110F0000           |     mov [rel AFTER + 8], ss
            8EE0                   |     mov fs, eax
            8EE8                   |     mov gs, eax
            B82B000000             |     mov eax, 0x2B
            8ED0                   |     mov ss, eax
                                   | thread:
            F6057F0E000002         |     test byte [rel FEATURES], 2
            740C                   |     jz restore
            488B05860E0000         |     mov rax, [rel HOST_FS]
            F3480FAED0             |     wrfsbase rax
                                   | restore:
            B883000000             |     mov eax, 131
            488D3DAD0E0000         |     lea rdi, [rel HOST_STACK]
            31F6                   |     xor esi, esi
            0F05                   |     syscall
            B80E000000             |     mov eax, 14
                                   |     ; rt_sigprocmask(SIG_SETMASK)
            BF02000000             |     mov edi, 2
            488D35780E0000         |     lea rsi, [rel HOST_MASK]
            31D2                   |     xor edx, edx
            41BA08000000           |     mov r10d, 8
            0F05                   |     syscall
            8B05E80D0000           |     mov eax, [rel SIGNAL]
            415F                   |     pop r15
            415E                   |     pop r14
            415D                   |     pop r13
            415C                   |     pop r12
            5D                     |     pop rbp
            5B                     |     pop rbx
            C3                     |     ret
            """;

    private static final MachineText TEXT = MachineText.of(CODE_TEXT);
    private static final int GPR = offset("GPR");
    private static final int RFLAGS = offset("RFLAGS");
    private static final int FRAME_RIP = offset("FRAME");
    private static final int FRAME_CS = FRAME_RIP + 8;
    private static final int FRAME_SS = FRAME_RIP + 32;
    private static final int SELECTOR = offset("SELECTOR");
    private static final int AREA = offset("AREA");
    private static final int TARGET = offset("TARGET");
    private static final int SEGMENTS = offset("SEGMENTS");
    private static final int SEGMENTED = offset("SEGMENTED");
    private static final int AFTER = offset("AFTER");

    private static final Outcome COMPLETED = new Outcome.Completed();

    private final ExecutableMemory runner;
    private final ExecutableMemory code;
    private final MemorySegment state;
    private final NativeFunction enter;
    private final FaultHandler.Registration faults;
    private final AtomicBoolean busy = new AtomicBoolean();
    private final boolean avx;
    private final long upperHalves;
    private final int mxcsrMask;
    private final boolean fsGsBase;
    private Mode mode = Mode.LONG;
    private boolean segmented;
    private boolean closed;

    private NativeCode(ExecutableMemory runner, ExecutableMemory code) {
        this.runner = runner;
        this.code = code;
        this.state = runner.data();
        this.enter = NativeFunction.at(runner.address() + TEXT.offset("enter"));
        this.avx = HostCpu.has(HostCpu.Feature.AVX);
        // Where XSAVE's standard format keeps the upper halves of YMM: CPUID leaf Dh, subleaf 2.
        this.upperHalves = avx ? AREA + HostCpu.cpuid(0xD, 2).ebx() : 0;
        runner.code().copyFrom(MemorySegment.ofArray(TEXT.code()));
        long block = runner.address() + PAGE;
        state.set(JAVA_LONG, FRAME_SS, Mode.COMPATIBILITY.dataSelector);
        this.fsGsBase = (Libc.GETAUXVAL.call(AT_HWCAP2, 0, 0, 0, 0, 0) & HWCAP2_FSGSBASE) != 0;
        state.set(
                JAVA_INT,
                offset("FEATURES"),
                (avx ? FEATURE_AVX : 0) | (fsGsBase ? FEATURE_FSGSBASE : 0));
        state.set(JAVA_LONG, offset("BLOCKED"), ~FaultHandler.SIGNAL_SET);
        state.set(JAVA_LONG, offset("STACK"), block + ALTERNATE_STACK);
        // Else a stack pointer of the code that happens to point there would pass for a nested
        // signal's. Kernels that say FSGSBASE know the flag.
        state.set(JAVA_INT, offset("STACK") + 8L, fsGsBase ? SS_AUTODISARM : 0);
        state.set(JAVA_LONG, offset("STACK") + 16L, ALTERNATE_STACK_SIZE);
        this.faults =
                FaultHandler.takeThread(
                        block + ALTERNATE_STACK,
                        runner.address() + TEXT.offset("faulted"),
                        block + GPR);
        reset();
        load(Mode.LONG, 0, new byte[0]);
        run();
        int mask = state.get(JAVA_INT, AREA + FXSAVE_MXCSR_MASK);
        this.mxcsrMask = mask == 0 ? MXCSR_MASK_DEFAULT : mask;
    }

    /** Whether this host can: Linux on x86-64 that permits executable memory. */
    public static boolean isSupported() {
        return HostCpu.isX86Linux() && ExecutableMemory.isPermitted();
    }

    /**
     * A runner with a code region of its own.
     *
     * @param codeSize bytes, a positive multiple of the page size; an unmapped page follows
     * @throws HostException if the host is no x86-64 Linux, forbids executable memory or has no
     *     room below 2 GiB
     */
    public static NativeCode create(long codeSize) {
        HostCpu.requireX86Linux();
        int dataSize = STACK + STACK_SIZE;
        ExecutableMemory runner =
                ExecutableMemory.allocate(PAGE, dataSize, ExecutableMemory.Placement.LOW);
        try {
            ExecutableMemory code =
                    ExecutableMemory.allocate(codeSize, 0, ExecutableMemory.Placement.LOW);
            try {
                return new NativeCode(runner, code);
            } catch (RuntimeException e) {
                code.close();
                throw e;
            }
        } catch (RuntimeException e) {
            runner.close();
            throw e;
        }
    }

    /**
     * Sets every register to what a fresh program has: zeros, RSP at the end of the runner's stack,
     * default control words.
     */
    public void reset() {
        state.asSlice(GPR, 128).fill((byte) 0);
        state.asSlice(AREA, PAGE - AREA).fill((byte) 0);
        setGpr(RSP, stackEnd());
        setFlags(0);
        state.set(JAVA_SHORT, AREA + FXSAVE_FCW, (short) FCW_DEFAULT);
        state.set(JAVA_INT, AREA + FXSAVE_MXCSR, MXCSR_DEFAULT);
    }

    /**
     * General register {@code index}, 0 to 15 in the order of their encoding. After 32-bit code the
     * upper half is zero.
     */
    public long gpr(int index) {
        return state.get(JAVA_LONG, GPR + 8L * Objects.checkIndex(index, 16));
    }

    /** Sets a general register. */
    public void setGpr(int index, long value) {
        state.set(JAVA_LONG, GPR + 8L * Objects.checkIndex(index, 16), value);
    }

    /** RFLAGS as the code left it, all of it: bit 1 and IF are set in every user program. */
    public long flags() {
        return state.get(JAVA_LONG, RFLAGS);
    }

    /** Sets the flags of {@link #SETTABLE_FLAGS}; other bits are ignored. */
    public void setFlags(long flags) {
        state.set(JAVA_LONG, RFLAGS, (flags & SETTABLE_FLAGS) | FLAG_1);
    }

    /** Whether the upper halves of the vector registers are loaded and captured too. */
    public boolean hasAvx() {
        return avx;
    }

    /**
     * 64 bits of vector register {@code index}, 0 to 15: lanes 0 and 1 are XMM, lanes 2 and 3 the
     * upper half of YMM.
     *
     * @throws IndexOutOfBoundsException for lane 2 or 3 on a host without AVX
     */
    public long vector(int index, int lane) {
        return state.get(JAVA_LONG, lane(index, lane));
    }

    /** Sets 64 bits of a vector register. */
    public void setVector(int index, int lane, long value) {
        state.set(JAVA_LONG, lane(index, lane), value);
    }

    /** MXCSR. */
    public int mxcsr() {
        return state.get(JAVA_INT, AREA + FXSAVE_MXCSR);
    }

    /** Sets MXCSR; a bit that this processor reserves is refused. */
    public void setMxcsr(int value) {
        if ((value & ~mxcsrMask) != 0) {
            throw new IllegalArgumentException(
                    String.format(
                            "MXCSR 0x%08x has bits outside of this processor's mask 0x%08x",
                            value, mxcsrMask));
        }
        state.set(JAVA_INT, AREA + FXSAVE_MXCSR, value);
    }

    /**
     * The 512 bytes of the FXSAVE64 image, read and written in place: x87, MMX, MXCSR, XMM. AMD
     * processors fill in the last x87 instruction and its operand only while an exception is
     * pending.
     */
    public MemorySegment fxsave() {
        return state.asSlice(AREA, FXSAVE_SIZE);
    }

    /**
     * The runner's own stack, {@link #STACK_SIZE} bytes that end at {@link #stackEnd}; code and
     * test both may use it.
     */
    public MemorySegment stack() {
        return state.asSlice(STACK, STACK_SIZE);
    }

    /** The address behind the runner's stack, below 2 GiB; what {@link #reset} puts into RSP. */
    public long stackEnd() {
        return runner.address() + PAGE + STACK + STACK_SIZE;
    }

    /** The address of byte 0 of the code region, below 2 GiB. */
    public long codeAddress() {
        return code.address();
    }

    /** The size of the code region in bytes. */
    public long codeSize() {
        return code.code().byteSize();
    }

    /**
     * Writes {@code bytes} at {@code offset} of the code region and the jump to the exit behind
     * them, and enters there next.
     */
    public void load(Mode mode, long offset, byte[] bytes) {
        write(offset, bytes);
        write(offset + bytes.length, exitJump(mode, codeAddress() + offset + bytes.length));
        enterAt(mode, codeAddress() + offset);
    }

    /**
     * Writes {@code bytes} at {@code offset} of the code region, nothing more. Negative offsets
     * count from the region's end.
     */
    public void write(long offset, byte[] bytes) {
        long start = offset < 0 ? codeSize() + offset : offset;
        MemorySegment.copy(bytes, 0, code.code(), JAVA_BYTE, start, bytes.length);
    }

    /**
     * Chooses where the next runs begin: anywhere that is executable, below 4 GiB for 32-bit code.
     */
    public void enterAt(Mode mode, long address) {
        this.mode = mode;
        segmented = false;
        state.set(JAVA_BYTE, SEGMENTED, (byte) 0);
        state.set(JAVA_LONG, FRAME_RIP, address);
        state.set(JAVA_LONG, FRAME_CS, mode.codeSelector);
        state.set(JAVA_INT, SELECTOR, mode.dataSelector);
    }

    /** Whether {@link #enterAt(Segments, int)} is possible: FS can be given back to the host. */
    public boolean hasSegments() {
        return fsGsBase && LocalDescriptors.isSupported();
    }

    /**
     * Chooses where the next runs begin: 16- or 32-bit code at {@code offset} of a code segment,
     * with all segment registers loaded first. Only a fault or {@link #exitJump16} ends a run.
     *
     * @throws IllegalStateException unless {@link #hasSegments}
     */
    public void enterAt(Segments segments, int offset) {
        if (!hasSegments()) {
            throw new IllegalStateException("this host has no segments for programs");
        }
        mode = Mode.COMPATIBILITY;
        segmented = true;
        state.set(JAVA_BYTE, SEGMENTED, (byte) 1);
        state.set(JAVA_LONG, FRAME_RIP, runner.address() + TEXT.offset("segmented"));
        state.set(JAVA_LONG, FRAME_CS, Mode.LONG.codeSelector);
        state.set(JAVA_INT, SELECTOR, Mode.COMPATIBILITY.dataSelector);
        state.set(JAVA_INT, TARGET, offset);
        state.set(JAVA_SHORT, TARGET + 4L, (short) segments.cs);
        state.set(JAVA_SHORT, SEGMENTS, (short) segments.ds);
        state.set(JAVA_SHORT, SEGMENTS + 2L, (short) segments.es);
        state.set(JAVA_SHORT, SEGMENTS + 4L, (short) segments.fs);
        state.set(JAVA_SHORT, SEGMENTS + 6L, (short) segments.gs);
        state.set(JAVA_SHORT, SEGMENTS + 8L, (short) segments.ss);
    }

    /**
     * The selectors that the last run from {@link #enterAt(Segments, int)} left; CS and SS are
     * those of the fault that ended it, or CS is 33h.
     */
    public Segments segments() {
        boolean faulted = state.get(JAVA_INT, FaultHandler.SIGNAL) != 0;
        return new Segments(
                faulted ? selector(FaultHandler.CSGSFS) : Mode.LONG.codeSelector,
                selector(faulted ? FaultHandler.CSGSFS + 6L : AFTER + 8L),
                selector(AFTER),
                selector(AFTER + 2L),
                selector(AFTER + 4L),
                selector(AFTER + 6L));
    }

    private int selector(long at) {
        return state.get(JAVA_SHORT, at) & 0xFFFF;
    }

    /** The bytes of a jump from 16-bit code to the runner's exit. It keeps all registers. */
    public byte[] exitJump16() {
        // 66 EA ptr16:32: jmp 33h:exit
        byte[] jump = new byte[8];
        jump[0] = 0x66;
        jump[1] = (byte) 0xEA;
        putInt(jump, 2, (int) (runner.address() + TEXT.offset("exit")));
        jump[6] = (byte) Mode.LONG.codeSelector;
        return jump;
    }

    /**
     * The bytes of a jump to the runner's exit, to be put at {@code address}, which must be below 4
     * GiB. It keeps all registers.
     */
    public byte[] exitJump(Mode mode, long address) {
        long exit = runner.address() + TEXT.offset("exit");
        return switch (mode) {
            case LONG -> {
                // E9 rel32: jmp exit
                byte[] jump = new byte[5];
                jump[0] = (byte) 0xE9;
                long displacement = exit - (address + jump.length);
                if (displacement != (int) displacement) {
                    throw new IllegalArgumentException(
                            "address 0x" + Long.toHexString(address) + " is too far for a jump");
                }
                putInt(jump, 1, (int) displacement);
                yield jump;
            }
            case COMPATIBILITY -> {
                // EA ptr16:32: jmp 33h:exit
                byte[] jump = new byte[7];
                jump[0] = (byte) 0xEA;
                putInt(jump, 1, (int) exit);
                jump[5] = (byte) Mode.LONG.codeSelector;
                yield jump;
            }
        };
    }

    /**
     * Runs from where {@link #load} or {@link #enterAt} said until the exit or a fault.
     *
     * @throws IllegalStateException if the processor refuses the state to start with, for example
     *     an FXSAVE image with reserved bits of MXCSR; or if the runner is closed or in use
     */
    public Outcome run() {
        acquire();
        try {
            int signal = (int) enter.call(0, 0);
            if (mode == Mode.COMPATIBILITY) {
                // What a processor keeps in the upper halves over a stay in 32-bit mode is not
                // defined.
                for (int i = 0; i < 8; i++) {
                    setGpr(i, gpr(i) & 0xFFFF_FFFFL);
                }
            }
            return signal == 0 ? COMPLETED : fault(signal);
        } finally {
            busy.set(false);
        }
    }

    /**
     * Runs one instruction, by the trap flag: for jumps and whatever else does not run off its end.
     * A repeated string instruction does one repetition. PUSHF shows the set flag; POPF and IRET
     * may clear it and then run on. Not after {@link #enterAt(Segments, int)}.
     */
    public Outcome step() {
        if (segmented) {
            throw new IllegalStateException("code in segments of its own is not stepped");
        }
        state.set(JAVA_LONG, RFLAGS, state.get(JAVA_LONG, RFLAGS) | FLAG_TF);
        Outcome outcome;
        try {
            outcome = run();
        } finally {
            state.set(JAVA_LONG, RFLAGS, state.get(JAVA_LONG, RFLAGS) & ~FLAG_TF);
        }
        return outcome instanceof Outcome.Faulted fault && fault.trapNumber == DB
                ? new Outcome.Stepped(fault.rip)
                : outcome;
    }

    /**
     * Whether 32-bit code can be run; a host kernel may have been built without its code segment.
     */
    public boolean hasCompatibilityMode() {
        byte[] before = state.asSlice(GPR, PAGE - GPR).toArray(JAVA_BYTE);
        Mode modeBefore = mode;
        try {
            enterAt(Mode.COMPATIBILITY, codeAddress());
            acquire();
            try {
                // HLT faults in user mode, in either mode of the processor; what counts is where.
                byte saved = code.code().get(JAVA_BYTE, 0);
                code.code().set(JAVA_BYTE, 0, (byte) 0xF4);
                enter.call(0, 0);
                code.code().set(JAVA_BYTE, 0, saved);
            } finally {
                busy.set(false);
            }
            return state.get(JAVA_LONG, FaultHandler.RIP) == codeAddress()
                    && state.get(JAVA_SHORT, FaultHandler.CSGSFS)
                            == Mode.COMPATIBILITY.codeSelector;
        } finally {
            MemorySegment.copy(before, 0, state, JAVA_BYTE, GPR, before.length);
            mode = modeBefore;
        }
    }

    /** Unmaps everything. Closing again does nothing. */
    @Override
    public void close() {
        if (!busy.compareAndSet(false, true)) {
            if (closed) {
                return;
            }
            throw new IllegalStateException("this runner is running code");
        }
        // It stays busy for ever: nothing can run in it again.
        closed = true;
        faults.close();
        code.close();
        runner.close();
    }

    private Outcome fault(int signal) {
        long rip = state.get(JAVA_LONG, FaultHandler.RIP);
        long trap = state.get(JAVA_LONG, FaultHandler.TRAPNO);
        boolean runners = selector(FaultHandler.CSGSFS) == Mode.LONG.codeSelector;
        if (runners && rip >= runner.address() && rip < runner.address() + TEXT.offset("exit")) {
            throw new IllegalStateException(
                    "the processor refuses the state to start with: exception " + trap);
        }
        return new Outcome.Faulted(
                Signal.of(signal),
                state.get(JAVA_INT, FaultHandler.CODE),
                (int) trap,
                state.get(JAVA_LONG, FaultHandler.ERR),
                state.get(JAVA_LONG, FaultHandler.ADDRESS),
                rip);
    }

    private void acquire() {
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException("this runner is closed or in use by another thread");
        }
    }

    private long lane(int index, int lane) {
        Objects.checkIndex(index, 16);
        Objects.checkIndex(lane, avx ? 4 : 2);
        return lane < 2
                ? AREA + FXSAVE_XMM + 16L * index + 8L * lane
                : upperHalves + 16L * index + 8L * (lane - 2);
    }

    private static void putInt(byte[] bytes, int at, int value) {
        for (int i = 0; i < 4; i++) {
            bytes[at + i] = (byte) (value >> (8 * i));
        }
    }

    /** The offset in the state block, which is the page behind the code. */
    private static int offset(String name) {
        return TEXT.offset(name) - PAGE;
    }
}
