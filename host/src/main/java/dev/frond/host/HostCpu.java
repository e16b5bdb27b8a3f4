// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Set;

/** The host's processor, as its own CPUID instruction describes it. */
public final class HostCpu {
    /** The four registers that CPUID fills. */
    public record Cpuid(int eax, int ebx, int ecx, int edx) {}

    private enum Register {
        EAX,
        EBX,
        ECX,
        EDX
    }

    /** What an operating system must have enabled in XCR0 before an extension can be used. */
    private static final long SSE_AND_AVX = 0b110;

    private static final long AVX512_STATE = 0b1110_0110;

    /**
     * Instruction set extensions by their CPUID names (Intel SDM vol. 2A, CPUID; AMD APM vol. 3,
     * appendix E).
     */
    public enum Feature {
        FPU(1, 0, Register.EDX, 0),
        CMPXCHG8B(1, 0, Register.EDX, 8),
        SEP(1, 0, Register.EDX, 11),
        CMOV(1, 0, Register.EDX, 15),
        CLFSH(1, 0, Register.EDX, 19),
        MMX(1, 0, Register.EDX, 23),
        FXSR(1, 0, Register.EDX, 24),
        SSE(1, 0, Register.EDX, 25),
        SSE2(1, 0, Register.EDX, 26),
        SSE3(1, 0, Register.ECX, 0),
        PCLMULQDQ(1, 0, Register.ECX, 1),
        SSSE3(1, 0, Register.ECX, 9),
        FMA(1, 0, Register.ECX, 12, SSE_AND_AVX),
        CMPXCHG16B(1, 0, Register.ECX, 13),
        SSE4_1(1, 0, Register.ECX, 19),
        SSE4_2(1, 0, Register.ECX, 20),
        MOVBE(1, 0, Register.ECX, 22),
        POPCNT(1, 0, Register.ECX, 23),
        AESNI(1, 0, Register.ECX, 25),
        XSAVE(1, 0, Register.ECX, 26),
        OSXSAVE(1, 0, Register.ECX, 27),
        AVX(1, 0, Register.ECX, 28, SSE_AND_AVX),
        F16C(1, 0, Register.ECX, 29, SSE_AND_AVX),
        RDRAND(1, 0, Register.ECX, 30),
        HYPERVISOR(1, 0, Register.ECX, 31),
        FSGSBASE(7, 0, Register.EBX, 0),
        BMI1(7, 0, Register.EBX, 3),
        AVX2(7, 0, Register.EBX, 5, SSE_AND_AVX),
        BMI2(7, 0, Register.EBX, 8),
        ERMS(7, 0, Register.EBX, 9),
        AVX512F(7, 0, Register.EBX, 16, AVX512_STATE),
        RDSEED(7, 0, Register.EBX, 18),
        ADX(7, 0, Register.EBX, 19),
        CLFLUSHOPT(7, 0, Register.EBX, 23),
        CLWB(7, 0, Register.EBX, 24),
        SHA(7, 0, Register.EBX, 29),
        GFNI(7, 0, Register.ECX, 8),
        VAES(7, 0, Register.ECX, 9, SSE_AND_AVX),
        VPCLMULQDQ(7, 0, Register.ECX, 10, SSE_AND_AVX),
        RDPID(7, 0, Register.ECX, 22),
        FSRM(7, 0, Register.EDX, 4),
        XSAVEOPT(0xD, 1, Register.EAX, 0),
        XSAVEC(0xD, 1, Register.EAX, 1),
        LAHF(0x8000_0001, 0, Register.ECX, 0),
        LZCNT(0x8000_0001, 0, Register.ECX, 5),
        SSE4A(0x8000_0001, 0, Register.ECX, 6),
        MISALIGNSSE(0x8000_0001, 0, Register.ECX, 7),
        PREFETCHW(0x8000_0001, 0, Register.ECX, 8),
        SYSCALL(0x8000_0001, 0, Register.EDX, 11),
        NX(0x8000_0001, 0, Register.EDX, 20),
        RDTSCP(0x8000_0001, 0, Register.EDX, 27),
        LM(0x8000_0001, 0, Register.EDX, 29);

        private final int leaf;
        private final int subleaf;
        private final Register register;
        private final int bit;
        private final long state;

        Feature(int leaf, int subleaf, Register register, int bit) {
            this(leaf, subleaf, register, bit, 0);
        }

        Feature(int leaf, int subleaf, Register register, int bit, long state) {
            this.leaf = leaf;
            this.subleaf = subleaf;
            this.register = register;
            this.bit = bit;
            this.state = state;
        }

        private boolean isReportedBy(Cpuid cpuid) {
            int value =
                    switch (register) {
                        case EAX -> cpuid.eax;
                        case EBX -> cpuid.ebx;
                        case ECX -> cpuid.ecx;
                        case EDX -> cpuid.edx;
                    };
            return ((value >>> bit) & 1) != 0;
        }
    }

    static final String CODE_TEXT =
            """
                                   | cpuid_leaf:
            53                     |     push rbx
            89F8                   |     mov eax, edi
            8B0E                   |     mov ecx, [rsi]
            0FA2                   |     cpuid
            8906                   |     mov [rsi], eax
            895E04                 |     mov [rsi + 4], ebx
            894E08                 |     mov [rsi + 8], ecx
            89560C                 |     mov [rsi + 12], edx
            31C0                   |     xor eax, eax
            5B                     |     pop rbx
            C3                     |     ret
                                   | xcr0:
            31C9                   |     xor ecx, ecx
            0F01D0                 |     xgetbv
            48C1E220               |     shl rdx, 32
            4809D0                 |     or rax, rdx
            C3                     |     ret
            """;

    private HostCpu() {}

    /**
     * Whether the host is Linux on x86-64, which all of this room's machine code is written for.
     */
    public static boolean isX86Linux() {
        String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
        String arch = System.getProperty("os.arch", "");
        return os.equals("linux") && (arch.equals("amd64") || arch.equals("x86_64"));
    }

    /** Refuses a host that this room's machine code is not written for. */
    static void requireX86Linux() {
        if (!isX86Linux()) {
            throw new HostException(
                    "machine code",
                    "",
                    "it needs Linux on x86-64, the host is "
                            + System.getProperty("os.name")
                            + " on "
                            + System.getProperty("os.arch"));
        }
    }

    /**
     * What CPUID answers.
     *
     * @throws HostException if the host is no x86-64 Linux or forbids executable memory
     */
    public static Cpuid cpuid(int leaf, int subleaf) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment registers = arena.allocate(16, 4);
            registers.set(JAVA_INT, 0, subleaf);
            Routines.get().cpuid.call(leaf, registers.address());
            return new Cpuid(
                    registers.get(JAVA_INT, 0),
                    registers.get(JAVA_INT, 4),
                    registers.get(JAVA_INT, 8),
                    registers.get(JAVA_INT, 12));
        }
    }

    /**
     * Whether it is a processor of AMD, or of Hygon, which has the same design; not if it is no
     * x86.
     */
    public static boolean isAmd() {
        if (!isX86Linux()) {
            return false;
        }
        // EBX: the first four letters of AuthenticAMD and HygonGenuine.
        int letters = cpuid(0, 0).ebx;
        return letters == 0x6874_7541 || letters == 0x6F67_7948;
    }

    /**
     * The state components that the operating system has enabled (XCR0); 0 if there is no XGETBV.
     */
    public static long xcr0() {
        return Feature.OSXSAVE.isReportedBy(cpuid(1, 0)) ? Routines.get().xcr0.call(0, 0) : 0;
    }

    /**
     * Whether programs on this host can use the extension: the processor has it and the operating
     * system saves its state.
     */
    public static boolean has(Feature feature) {
        return Features.PRESENT.contains(feature);
    }

    /** Everything that {@link #has} answers with yes. */
    public static Set<Feature> features() {
        return Set.copyOf(Features.PRESENT);
    }

    /** Asked once; under a hypervisor each CPUID costs a microsecond or more. */
    private static final class Features {
        private static final Set<Feature> PRESENT = detect();

        private static Set<Feature> detect() {
            Set<Feature> present = EnumSet.noneOf(Feature.class);
            long enabled = xcr0();
            for (Feature feature : Feature.values()) {
                // The highest leaf of the basic and of the extended range stands in the range's
                // first leaf.
                int highest = cpuid(feature.leaf & 0x8000_0000, 0).eax();
                if (Integer.compareUnsigned(feature.leaf, highest) <= 0
                        && (enabled & feature.state) == feature.state
                        && feature.isReportedBy(cpuid(feature.leaf, feature.subleaf))) {
                    present.add(feature);
                }
            }
            return present;
        }
    }

    /** The machine code, in memory that lives as long as the process. */
    private record Routines(NativeFunction cpuid, NativeFunction xcr0) {
        private static @Nullable Routines instance;

        private static synchronized Routines get() {
            Routines known = instance;
            if (known == null) {
                requireX86Linux();
                MachineText text = MachineText.of(CODE_TEXT);
                ExecutableMemory memory =
                        ExecutableMemory.allocate(
                                Libc.pageSize(), 0, ExecutableMemory.Placement.ANYWHERE);
                memory.code().copyFrom(MemorySegment.ofArray(text.code()));
                known =
                        new Routines(
                                NativeFunction.at(memory.address() + text.offset("cpuid_leaf")),
                                NativeFunction.at(memory.address() + text.offset("xcr0")));
                instance = known;
            }
            return known;
        }
    }
}
