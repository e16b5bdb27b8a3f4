// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import static dev.frond.machine.vcpu.CpuFeature.Register.EAX;
import static dev.frond.machine.vcpu.CpuFeature.Register.EBX;
import static dev.frond.machine.vcpu.CpuFeature.Register.ECX;
import static dev.frond.machine.vcpu.CpuFeature.Register.EDX;

/**
 * A feature that CPUID announces by one bit (SDM Vol. 2A, CPUID; APM Vol. 3, appendix E), or a
 * paravirtual one of KVM (Linux, Documentation/virt/kvm/x86/cpuid.rst).
 */
public enum CpuFeature {
    FPU(0x1, EDX, 0),
    VME(0x1, EDX, 1),
    DE(0x1, EDX, 2),
    PSE(0x1, EDX, 3),
    TSC(0x1, EDX, 4),
    MSR(0x1, EDX, 5),
    PAE(0x1, EDX, 6),
    MCE(0x1, EDX, 7),
    CX8(0x1, EDX, 8),
    APIC(0x1, EDX, 9),
    SEP(0x1, EDX, 11),
    MTRR(0x1, EDX, 12),
    PGE(0x1, EDX, 13),
    MCA(0x1, EDX, 14),
    CMOV(0x1, EDX, 15),
    PAT(0x1, EDX, 16),
    PSE36(0x1, EDX, 17),
    CLFSH(0x1, EDX, 19),
    MMX(0x1, EDX, 23),
    FXSR(0x1, EDX, 24),
    SSE(0x1, EDX, 25),
    SSE2(0x1, EDX, 26),
    SSE3(0x1, ECX, 0),
    PCLMULQDQ(0x1, ECX, 1),
    MONITOR(0x1, ECX, 3),
    SSSE3(0x1, ECX, 9),
    FMA(0x1, ECX, 12),
    CX16(0x1, ECX, 13),
    PCID(0x1, ECX, 17),
    SSE4_1(0x1, ECX, 19),
    SSE4_2(0x1, ECX, 20),
    X2APIC(0x1, ECX, 21),
    MOVBE(0x1, ECX, 22),
    POPCNT(0x1, ECX, 23),
    TSC_DEADLINE(0x1, ECX, 24),
    AES(0x1, ECX, 25),
    XSAVE(0x1, ECX, 26),
    AVX(0x1, ECX, 28),
    F16C(0x1, ECX, 29),
    RDRAND(0x1, ECX, 30),
    HYPERVISOR(0x1, ECX, 31),
    FSGSBASE(0x7, EBX, 0),
    TSC_ADJUST(0x7, EBX, 1),
    BMI1(0x7, EBX, 3),
    AVX2(0x7, EBX, 5),
    SMEP(0x7, EBX, 7),
    BMI2(0x7, EBX, 8),
    ERMS(0x7, EBX, 9),
    INVPCID(0x7, EBX, 10),
    RDSEED(0x7, EBX, 18),
    ADX(0x7, EBX, 19),
    SMAP(0x7, EBX, 20),
    CLFLUSHOPT(0x7, EBX, 23),
    CLWB(0x7, EBX, 24),
    SHA(0x7, EBX, 29),
    UMIP(0x7, ECX, 2),
    PKU(0x7, ECX, 3),
    LA57(0x7, ECX, 16),
    RDPID(0x7, ECX, 22),
    FSRM(0x7, EDX, 4),
    XSAVEOPT(0xD, 1, EAX, 0),
    XSAVEC(0xD, 1, EAX, 1),
    XGETBV1(0xD, 1, EAX, 2),
    XSAVES(0xD, 1, EAX, 3),
    LAHF64(0x8000_0001, ECX, 0),
    ABM(0x8000_0001, ECX, 5),
    SSE4A(0x8000_0001, ECX, 6),
    MISALIGNSSE(0x8000_0001, ECX, 7),
    PREFETCHW(0x8000_0001, ECX, 8),
    TOPOEXT(0x8000_0001, ECX, 22),
    SYSCALL(0x8000_0001, EDX, 11),
    NX(0x8000_0001, EDX, 20),
    FFXSR(0x8000_0001, EDX, 25),
    PDPE1GB(0x8000_0001, EDX, 26),
    RDTSCP(0x8000_0001, EDX, 27),
    LM(0x8000_0001, EDX, 29),
    INVARIANT_TSC(0x8000_0007, EDX, 8),
    ARAT(0x6, EAX, 2),
    KVM_CLOCKSOURCE(0x4000_0001, EAX, 0),
    KVM_NOP_IO_DELAY(0x4000_0001, EAX, 1),
    KVM_CLOCKSOURCE2(0x4000_0001, EAX, 3),
    KVM_STEAL_TIME(0x4000_0001, EAX, 5),
    KVM_PV_EOI(0x4000_0001, EAX, 6),
    KVM_POLL_CONTROL(0x4000_0001, EAX, 12),
    KVM_CLOCKSOURCE_STABLE(0x4000_0001, EAX, 24);

    /** The leaf of what KVM offers to its guests (Linux, Documentation/virt/kvm/x86/cpuid.rst). */
    private static final int KVM_LEAF = 0x4000_0001;

    /** The register of a CPUID leaf that holds the bit. */
    public enum Register {
        EAX,
        EBX,
        ECX,
        EDX
    }

    private final int leaf;
    private final int subleaf;
    private final Register register;
    private final int bit;

    CpuFeature(int leaf, Register register, int bit) {
        this(leaf, 0, register, bit);
    }

    CpuFeature(int leaf, int subleaf, Register register, int bit) {
        this.leaf = leaf;
        this.subleaf = subleaf;
        this.register = register;
        this.bit = bit;
    }

    /** Whether it is a paravirtual one, as KVM offers them. */
    public boolean isKvm() {
        return leaf == KVM_LEAF;
    }

    /** The CPUID leaf (EAX). */
    public int leaf() {
        return leaf;
    }

    /** The CPUID subleaf (ECX). */
    public int subleaf() {
        return subleaf;
    }

    /** The register that holds the bit. */
    public Register register() {
        return register;
    }

    /** The bit, 0..31. */
    public int bit() {
        return bit;
    }
}
