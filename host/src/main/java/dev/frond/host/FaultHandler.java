// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/**
 * Takes the faults of natively run code away from the virtual machine. A small handler in machine
 * code stands before HotSpot's for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP. A fault that
 * belongs to a registered region is written into that region's record, and the thread goes on at
 * the region's landing, with RIP, RFLAGS, CS and SS the only registers changed: vector and x87
 * registers are still those of the faulting code. Every other fault reaches HotSpot's handler as if
 * nothing stood before it.
 *
 * <p>The handler uses the registers and one table, no lock, no memory of the virtual machine and no
 * thread pointer, so it can interrupt anything. It is installed with SA_ONSTACK, which changes
 * nothing for threads without an alternate stack. It stays for the life of the process.
 */
public final class FaultHandler {
    /**
     * Size of a record in bytes, and the offsets in it; registers are in the order of their
     * encoding, RAX RCX RDX RBX RSP...
     */
    public static final int RECORD_SIZE = 0xC0;

    public static final int GPR = 0x00;
    public static final int RFLAGS = 0x80;
    public static final int RIP = 0x88;

    /** The signal's number, 32 bits. */
    public static final int SIGNAL = 0x90;

    /** The signal's si_code, 32 bits. */
    public static final int CODE = 0x94;

    /** The signal's si_addr. */
    public static final int ADDRESS = 0x98;

    /** The exception's vector. */
    public static final int TRAPNO = 0xA0;

    /** The exception's error code. */
    public static final int ERR = 0xA8;

    /** The thread's last page fault address, even if this was no page fault. */
    public static final int CR2 = 0xB0;

    /** CS, GS, FS and SS, 16 bits each. */
    public static final int CSGSFS = 0xB8;

    /** A region in the handler's table; closing it gives its faults back to the virtual machine. */
    @FunctionalInterface
    public interface Registration extends AutoCloseable {
        @Override
        void close();
    }

    /** The general register whose value at the fault a record's address is relative to. */
    public enum Base {
        /** The record is at a fixed address. */
        NONE(-1),
        RBX(0x80),
        RBP(0x78),
        RSP(0xA0),
        R12(0x48),
        R13(0x50),
        R14(0x58),
        R15(0x60);

        /** The register's offset in the kernel's ucontext. */
        private final int offset;

        Base(int offset) {
            this.offset = offset;
        }
    }

    private static final int SIGILL = 4;
    private static final int SIGTRAP = 5;
    private static final int SIGBUS = 7;
    private static final int SIGFPE = 8;
    private static final int SIGSEGV = 11;

    /** The signals that an instruction can raise, as a kernel signal set. */
    static final long SIGNAL_SET =
            (1L << (SIGILL - 1))
                    | (1L << (SIGTRAP - 1))
                    | (1L << (SIGBUS - 1))
                    | (1L << (SIGFPE - 1))
                    | (1L << (SIGSEGV - 1));

    // struct sigaction of glibc and musl on x86-64
    private static final int SA_SIZE = 152;
    private static final int SA_FLAGS_OFFSET = 136;
    private static final int SA_SIGINFO = 0x4;
    private static final int SA_ONSTACK = 0x0800_0000;
    private static final int SA_RESETHAND = 0x8000_0000;

    // A region in the table: from where to where a register must be, or instead the alternate stack
    // that its threads run with; where it goes on; where its record is; which register.
    private static final int REGION_SIZE = 64;
    private static final int START = 0x00;
    private static final int END = 0x08;
    private static final int STACK = 0x10;
    private static final int LANDING = 0x18;
    private static final int RECORD = 0x20;
    private static final int BASE = 0x28;
    private static final int SUBJECT = 0x30;

    // The kernel's ucontext.
    private static final int UCONTEXT_RSP = 0xA0;
    private static final int UCONTEXT_RIP = 0xA8;

    private static final int PAGE = 0x1000;
    private static final int TABLE_SIZE = 0x10000;

    // rdi = signal number, rsi = siginfo_t, rdx = ucontext_t
    // (arch/x86/include/uapi/asm/sigcontext.h):
    // uc_stack.ss_sp at 10h, then from 28h r8-r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags csgsfs
    // err trapno oldmask cr2.
    static final String CODE_TEXT =
            """
                                   | COUNT equ $$ + 0x1000
                                   | PREVIOUS equ $$ + 0x1008
                                   | NO_ACTION equ $$ + 0x1210
                                   | REGIONS equ $$ + 0x1400
                                   | handle:
                                   |     ; the thread's alternate stack, RIP
            488B4210               |     mov rax, [rdx + 0x10]
            4C8B82A8000000         |     mov r8, [rdx + 0xA8]
            8B0DEF0F0000           |     mov ecx, [rel COUNT]
            4C8D0DE8130000         |     lea r9, [rel REGIONS]
                                   | search:
            83E901                 |     sub ecx, 1
            0F825A010000           |     jc chain
            4D8B5110               |     mov r10, [r9 + 0x10]
            4D85D2                 |     test r10, r10
            7407                   |     jz by_address
            4939C2                 |     cmp r10, rax
            741B                   |     je take
            EB13                   |     jmp next
                                   | by_address:
            4D8B5130               |     mov r10, [r9 + 0x30]
            4E8B1C12               |     mov r11, [rdx + r10]
            4D3B19                 |     cmp r11, [r9]
            7206                   |     jb next
            4D3B5908               |     cmp r11, [r9 + 0x08]
            7206                   |     jb take
                                   | next:
            4983C140               |     add r9, 64
            EBCE                   |     jmp search
                                   | take:
                                   |     ; the record
            4D8B5120               |     mov r10, [r9 + 0x20]
            498B4128               |     mov rax, [r9 + 0x28]
            4885C0                 |     test rax, rax
            7804                   |     js record
            4C031402               |     add r10, [rdx + rax]
                                   | record:
                                   |     ; general registers, in the order of their encoding
            488B8290000000         |     mov rax, [rdx + 0x90]
            498902                 |     mov [r10 + 0x00], rax
            488B8298000000         |     mov rax, [rdx + 0x98]
            49894208               |     mov [r10 + 0x08], rax
            488B8288000000         |     mov rax, [rdx + 0x88]
            49894210               |     mov [r10 + 0x10], rax
            488B8280000000         |     mov rax, [rdx + 0x80]
            49894218               |     mov [r10 + 0x18], rax
            488B82A0000000         |     mov rax, [rdx + 0xA0]
            49894220               |     mov [r10 + 0x20], rax
            488B4278               |     mov rax, [rdx + 0x78]
            49894228               |     mov [r10 + 0x28], rax
            488B4270               |     mov rax, [rdx + 0x70]
            49894230               |     mov [r10 + 0x30], rax
            488B4268               |     mov rax, [rdx + 0x68]
            49894238               |     mov [r10 + 0x38], rax
            488B4228               |     mov rax, [rdx + 0x28]
            49894240               |     mov [r10 + 0x40], rax
            488B4230               |     mov rax, [rdx + 0x30]
            49894248               |     mov [r10 + 0x48], rax
            488B4238               |     mov rax, [rdx + 0x38]
            49894250               |     mov [r10 + 0x50], rax
            488B4240               |     mov rax, [rdx + 0x40]
            49894258               |     mov [r10 + 0x58], rax
            488B4248               |     mov rax, [rdx + 0x48]
            49894260               |     mov [r10 + 0x60], rax
            488B4250               |     mov rax, [rdx + 0x50]
            49894268               |     mov [r10 + 0x68], rax
            488B4258               |     mov rax, [rdx + 0x58]
            49894270               |     mov [r10 + 0x70], rax
            488B4260               |     mov rax, [rdx + 0x60]
            49894278               |     mov [r10 + 0x78], rax
                                   |     ; RFLAGS, RIP, signal, si_code, si_addr, trapno, err, cr2, csgsfs
            488B82B0000000         |     mov rax, [rdx + 0xB0]
            49898280000000         |     mov [r10 + 0x80], rax
            4D898288000000         |     mov [r10 + 0x88], r8
            4189BA90000000         |     mov [r10 + 0x90], edi
            8B4608                 |     mov eax, [rsi + 0x08]
            41898294000000         |     mov [r10 + 0x94], eax
            488B4610               |     mov rax, [rsi + 0x10]
            49898298000000         |     mov [r10 + 0x98], rax
            488B82C8000000         |     mov rax, [rdx + 0xC8]
            498982A0000000         |     mov [r10 + 0xA0], rax
            488B82C0000000         |     mov rax, [rdx + 0xC0]
            498982A8000000         |     mov [r10 + 0xA8], rax
            488B82D8000000         |     mov rax, [rdx + 0xD8]
            498982B0000000         |     mov [r10 + 0xB0], rax
            488B82B8000000         |     mov rax, [rdx + 0xB8]
            498982B8000000         |     mov [r10 + 0xB8], rax
                                   |     ; go on at the landing: clean flags, 64-bit mode
            498B4118               |     mov rax, [r9 + 0x18]
            488982A8000000         |     mov [rdx + 0xA8], rax
            48C782B000000002020000 |     mov qword [rdx + 0xB0], 0x202
            66C782B80000003300     |     mov word [rdx + 0xB8], 0x33
            66C782BE0000002B00     |     mov word [rdx + 0xBE], 0x2B
            C3                     |     ret
                                   | chain:
                                   |     ; the handler that was there before: a function, ignore or default
            488D0D860E0000         |     lea rcx, [rel PREVIOUS]
            488B04F9               |     mov rax, [rcx + rdi * 8]
            4883F801               |     cmp rax, 1
            7439                   |     je ignore
            7202                   |     jb by_default
            FFE0                   |     jmp rax
                                   | by_default:
                                   |     ; rt_sigaction(signal, default), then tgkill(getpid(), gettid(), signal):
                                   |     ; it is blocked until this handler returns, and then ends the process
            4189F8                 |     mov r8d, edi
            B80D000000             |     mov eax, 13
            488D3571100000         |     lea rsi, [rel NO_ACTION]
            31D2                   |     xor edx, edx
            41BA08000000           |     mov r10d, 8
            0F05                   |     syscall
            B827000000             |     mov eax, 39
            0F05                   |     syscall
            89C7                   |     mov edi, eax
            B8BA000000             |     mov eax, 186
            0F05                   |     syscall
            89C6                   |     mov esi, eax
            4489C2                 |     mov edx, r8d
            B8EA000000             |     mov eax, 234
            0F05                   |     syscall
                                   | ignore:
            C3                     |     ret
            """;

    private static final MachineText TEXT = MachineText.of(CODE_TEXT);

    private static @Nullable FaultHandler instance;

    private final MemorySegment data;
    private final int regions = TEXT.offset("REGIONS") - PAGE;
    private int count;

    private FaultHandler(MemorySegment data) {
        this.data = data;
    }

    /**
     * Takes the faults whose RIP is in {@code [start, end)}. The code must keep RSP on a valid
     * stack, for the signal's frame.
     *
     * @param landing where the thread goes on
     * @param base the register that, together with {@code record}, gives the address of the record
     */
    public static Registration takeCode(
            long start, long end, long landing, Base base, long record) {
        return instance().add(UCONTEXT_RIP, start, end, 0, landing, base, record);
    }

    /**
     * Takes the faults of code whose RSP is in {@code [start, end)}, wherever its RIP is: what runs
     * on a stack of its own is known by that when it has jumped astray, too.
     */
    public static Registration takeStack(long start, long end, long landing, long record) {
        return instance().add(UCONTEXT_RSP, start, end, 0, landing, Base.NONE, record);
    }

    /**
     * Takes every fault of a thread whose alternate signal stack begins at {@code stack}, wherever
     * its RIP is: code that jumps astray is caught too.
     */
    static Registration takeThread(long stack, long landing, long record) {
        return instance().add(UCONTEXT_RIP, 0, 0, stack, landing, Base.NONE, record);
    }

    private static synchronized FaultHandler instance() {
        FaultHandler known = instance;
        if (known == null) {
            HostCpu.requireX86Linux();
            known = install();
            instance = known;
        }
        return known;
    }

    private synchronized Registration add(
            int subject, long start, long end, long stack, long landing, Base base, long record) {
        int index = 0;
        while (index < count && data.get(JAVA_LONG, region(index) + LANDING) != 0) {
            index++;
        }
        long region = region(index);
        if (region + REGION_SIZE > TABLE_SIZE) {
            throw new IllegalStateException(
                    "the fault handler's table is full: " + count + " regions");
        }
        data.set(JAVA_LONG, region + LANDING, landing);
        data.set(JAVA_LONG, region + RECORD, record);
        data.set(JAVA_LONG, region + BASE, base.offset);
        data.set(JAVA_LONG, region + SUBJECT, subject);
        // The fields that the handler searches come last; x86 keeps the order of stores.
        VarHandle.releaseFence();
        data.set(JAVA_LONG, region + END, end);
        data.set(JAVA_LONG, region + START, start);
        data.set(JAVA_LONG, region + STACK, stack);
        VarHandle.releaseFence();
        if (index == count) {
            count++;
            data.set(JAVA_INT, TEXT.offset("COUNT") - PAGE, count);
        }
        boolean[] open = {true};
        return () -> {
            synchronized (this) {
                if (open[0]) {
                    open[0] = false;
                    remove(region);
                }
            }
        };
    }

    private void remove(long region) {
        data.set(JAVA_LONG, region + STACK, 0);
        data.set(JAVA_LONG, region + END, 0);
        data.set(JAVA_LONG, region + START, 0);
        VarHandle.releaseFence();
        data.set(JAVA_LONG, region + LANDING, 0);
    }

    private long region(int index) {
        return regions + (long) index * REGION_SIZE;
    }

    private static FaultHandler install() {
        ExecutableMemory memory =
                ExecutableMemory.allocate(PAGE, TABLE_SIZE, ExecutableMemory.Placement.ANYWHERE);
        memory.code().copyFrom(MemorySegment.ofArray(TEXT.code()));
        MemorySegment data = memory.data();
        int previous = TEXT.offset("PREVIOUS") - PAGE;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment action = arena.allocate(SA_SIZE, 8);
            for (int signal : new int[] {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV}) {
                Libc.SIGACTION.check(
                        Libc.SIGACTION.callInt(signal, 0, action.address()), "signal " + signal);
                // Known to the handler before the handler is known to the kernel.
                data.set(JAVA_LONG, previous + signal * 8L, action.get(JAVA_LONG, 0));
                VarHandle.releaseFence();
                action.set(JAVA_LONG, 0, memory.address() + TEXT.offset("handle"));
                int flags = action.get(JAVA_INT, SA_FLAGS_OFFSET);
                action.set(
                        JAVA_INT,
                        SA_FLAGS_OFFSET,
                        (flags & ~SA_RESETHAND) | SA_SIGINFO | SA_ONSTACK);
                Libc.SIGACTION.check(
                        Libc.SIGACTION.callInt(signal, action.address(), 0), "signal " + signal);
            }
        }
        return new FaultHandler(data);
    }
}
