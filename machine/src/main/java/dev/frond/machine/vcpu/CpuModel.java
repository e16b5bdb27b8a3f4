// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import static dev.frond.machine.vcpu.CpuFeature.*;

import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A named CPU: what CPUID says of its maker and what it offers.
 *
 * @param vendor the 12 characters of leaf 0
 * @param brand up to 47 characters, leaves 80000002h to 80000004h
 */
public record CpuModel(
        String name,
        String vendor,
        int family,
        int model,
        int stepping,
        String brand,
        Set<CpuFeature> features) {

    /** The vendor of processors of AMD. */
    public static final String AMD = "AuthenticAMD";

    private static final String INTEL = "GenuineIntel";

    /** What every 64-bit machine of Frond has: the platform's side beside the psABI level. */
    private static final Set<CpuFeature> PLATFORM =
            EnumSet.of(
                    VME,
                    DE,
                    PSE,
                    TSC,
                    MSR,
                    PAE,
                    MCE,
                    APIC,
                    SEP,
                    MTRR,
                    PGE,
                    MCA,
                    PAT,
                    PSE36,
                    CLFSH,
                    X2APIC,
                    TSC_DEADLINE,
                    HYPERVISOR,
                    PCID,
                    SMEP,
                    SMAP,
                    UMIP,
                    FSGSBASE,
                    TSC_ADJUST,
                    INVPCID,
                    ERMS,
                    NX,
                    SYSCALL,
                    LM,
                    RDTSCP,
                    PDPE1GB,
                    INVARIANT_TSC,
                    ARAT,
                    XSAVE,
                    XSAVEOPT,
                    XSAVEC,
                    XGETBV1,
                    XSAVES,
                    RDRAND,
                    RDSEED,
                    KVM_CLOCKSOURCE,
                    KVM_NOP_IO_DELAY,
                    KVM_CLOCKSOURCE2,
                    KVM_STEAL_TIME,
                    KVM_PV_EOI,
                    KVM_POLL_CONTROL,
                    KVM_CLOCKSOURCE_STABLE);

    /** x86-64-v1 of the psABI. */
    public static final CpuModel X86_64_V1 =
            of("x86-64-v1", EnumSet.of(FPU, CX8, CMOV, MMX, FXSR, SSE, SSE2));

    /** x86-64-v2 of the psABI: SSE4.2, POPCNT, CMPXCHG16B, LAHF. */
    public static final CpuModel X86_64_V2 =
            of(
                    "x86-64-v2",
                    with(X86_64_V1.features, CX16, LAHF64, POPCNT, SSE3, SSSE3, SSE4_1, SSE4_2));

    /** x86-64-v3 of the psABI: AVX2, BMI1 and 2, FMA, F16C, LZCNT, MOVBE. */
    public static final CpuModel X86_64_V3 =
            of(
                    "x86-64-v3",
                    with(
                            X86_64_V2.features,
                            AVX,
                            AVX2,
                            BMI1,
                            BMI2,
                            F16C,
                            FMA,
                            ABM,
                            MOVBE,
                            AES,
                            PCLMULQDQ,
                            ADX,
                            SHA));

    /** What a 64-bit machine with any named processor has: {@link #PLATFORM}'s older half. */
    private static final Set<CpuFeature> PROCESSOR =
            with(X86_64_V2.features, AVX, AVX2, BMI1, BMI2, F16C, FMA, ABM, MOVBE, AES, PCLMULQDQ);

    /** Intel's Core processors of 2013. */
    public static final CpuModel HASWELL =
            new CpuModel(
                    "Haswell",
                    INTEL,
                    6,
                    0x3C,
                    3,
                    "Intel Core Processor (Haswell)",
                    with(without(PROCESSOR, SMAP, UMIP, RDSEED, XSAVEC, XGETBV1, XSAVES), MONITOR));

    /** Intel's Core processors of 2015. */
    public static final CpuModel SKYLAKE_CLIENT =
            new CpuModel(
                    "Skylake-Client",
                    INTEL,
                    6,
                    0x5E,
                    3,
                    "Intel Core Processor (Skylake)",
                    with(without(PROCESSOR, UMIP), ADX, CLFLUSHOPT, PREFETCHW, MONITOR));

    /** AMD's server processors of 2017, without misaligned SSE operands and FFXSR. */
    public static final CpuModel EPYC =
            new CpuModel(
                    "EPYC",
                    AMD,
                    0x17,
                    1,
                    2,
                    "AMD EPYC Processor",
                    with(
                            without(PROCESSOR, UMIP, PCID, INVPCID, ERMS, TSC_DEADLINE, TSC_ADJUST),
                            ADX,
                            SHA,
                            SSE4A,
                            CLFLUSHOPT,
                            PREFETCHW,
                            TOPOEXT,
                            MONITOR));

    /** AMD's server processors of 2021, without what {@link #EPYC} is without. */
    public static final CpuModel EPYC_MILAN =
            new CpuModel(
                    "EPYC-Milan",
                    AMD,
                    0x19,
                    1,
                    1,
                    "AMD EPYC-Milan Processor",
                    with(EPYC.features, UMIP, PCID, INVPCID, ERMS, FSRM, CLWB, RDPID, PKU));

    /**
     * Everything that is implemented: what an engine lacks, or would be slow at, is taken away
     * ({@link Accelerator#offer}).
     */
    public static final CpuModel MAX =
            of(
                    "max",
                    // What only AMD's leaves describe is not for a processor of Intel.
                    EnumSet.complementOf(EnumSet.of(MISALIGNSSE, FFXSR, TOPOEXT)));

    public CpuModel {
        features =
                Collections.unmodifiableSet(
                        features.isEmpty()
                                ? EnumSet.noneOf(CpuFeature.class)
                                : EnumSet.copyOf(features));
    }

    /** All models by name. */
    public static List<CpuModel> all() {
        return List.of(
                X86_64_V1, X86_64_V2, X86_64_V3, HASWELL, SKYLAKE_CLIENT, EPYC, EPYC_MILAN, MAX);
    }

    /** The model of that name. */
    public static Optional<CpuModel> named(String name) {
        return all().stream().filter(m -> m.name.equals(name)).findFirst();
    }

    /**
     * The model that {@code text} describes: a name, then switches, {@code +f}, {@code -f}, {@code
     * f=on} or {@code f=off}, each after a comma. A feature that is taken away takes those along
     * that need it. The result's name is such a text.
     *
     * @throws IllegalArgumentException if there is no such model or feature, or one that is asked
     *     for needs another; the message says which, and what is accepted
     */
    public static CpuModel parse(String text) {
        return CpuSwitches.parse(text);
    }

    /** Whether it is {@link #MAX}, with or without switches. */
    public boolean isMax() {
        return name.equals(MAX.name) || name.startsWith(MAX.name + ",");
    }

    /** This model without what {@code implemented} lacks. */
    public CpuModel within(Set<CpuFeature> implemented) {
        Set<CpuFeature> offered = EnumSet.noneOf(CpuFeature.class);
        offered.addAll(features);
        offered.retainAll(implemented);
        return new CpuModel(name, vendor, family, model, stepping, brand, offered);
    }

    private static CpuModel of(String name, Set<CpuFeature> level) {
        Set<CpuFeature> features = EnumSet.copyOf(PLATFORM);
        features.addAll(level);
        return new CpuModel(name, INTEL, 6, 0x2C, 1, "Frond virtual CPU " + name, features);
    }

    /** Whether it follows the rules of AMD where vendors differ. */
    public boolean isAmd() {
        return vendor.equals(AMD);
    }

    private static Set<CpuFeature> without(Set<CpuFeature> base, CpuFeature... less) {
        Set<CpuFeature> features = EnumSet.copyOf(base);
        features.removeAll(List.of(less));
        return features;
    }

    private static Set<CpuFeature> with(Set<CpuFeature> base, CpuFeature... more) {
        Set<CpuFeature> features = EnumSet.copyOf(base);
        features.addAll(List.of(more));
        return features;
    }
}
