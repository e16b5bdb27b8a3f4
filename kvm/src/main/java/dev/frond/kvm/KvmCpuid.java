// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.host.ControlFile;
import dev.frond.host.Errno;
import dev.frond.host.HostException;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Cpuid.Leaf;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * CPUID between Frond and KVM: which features KVM can offer, and the table of answers that it is
 * given.
 */
final class KvmCpuid {
    private static final long NENT = Structs.at(Structs.CPUID2, "nent");
    private static final long ENTRIES = Structs.CPUID2.byteSize();
    private static final long ENTRY = Structs.CPUID_ENTRY2.byteSize();
    private static final long FUNCTION = Structs.at(Structs.CPUID_ENTRY2, "function");
    private static final long INDEX = Structs.at(Structs.CPUID_ENTRY2, "index");
    private static final long FLAGS = Structs.at(Structs.CPUID_ENTRY2, "flags");
    private static final long EAX = Structs.at(Structs.CPUID_ENTRY2, "eax");
    private static final long EBX = Structs.at(Structs.CPUID_ENTRY2, "ebx");
    private static final long ECX = Structs.at(Structs.CPUID_ENTRY2, "ecx");
    private static final long EDX = Structs.at(Structs.CPUID_ENTRY2, "edx");

    private static final int FIRST_SIZE = 64;
    private static final int MOST = 4096;

    private static final int XSAVE_LEAF = 0xD;

    /** The frequencies of the time-stamp counter and of the APIC's timer in kHz. */
    private static final int TIMING_LEAF = 0x4000_0010;

    private static final int AVX_COMPONENT = 2;
    private static final int PKRU_COMPONENT = 9;

    /** Where the upper halves of YMM are in the standard format (SDM Vol. 1, 13.4.3). */
    static final int YMM_OFFSET = 576;

    private record Query(int function, int index) {}

    private final Map<Query, Leaf> supported = new HashMap<>();

    /** What this kernel and processor support (KVM_GET_SUPPORTED_CPUID). */
    KvmCpuid(ControlFile kvm) {
        for (int size = FIRST_SIZE; ; size *= 2) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment table = arena.allocate(ENTRIES + size * ENTRY, 8);
                table.set(JAVA_INT, NENT, size);
                int result = kvm.tryCall(Kvm.GET_SUPPORTED_CPUID, table.address());
                if (result == -Errno.E2BIG.number() && size < MOST) {
                    continue;
                }
                if (result < 0) {
                    throw new HostException(Kvm.GET_SUPPORTED_CPUID.name(), kvm.name(), -result);
                }
                read(table);
                return;
            }
        }
    }

    private void read(MemorySegment table) {
        int count = table.get(JAVA_INT, NENT);
        for (int i = 0; i < count; i++) {
            MemorySegment entry = table.asSlice(ENTRIES + i * ENTRY, ENTRY);
            supported.put(
                    new Query(entry.get(JAVA_INT, FUNCTION), entry.get(JAVA_INT, INDEX)),
                    new Leaf(
                            entry.get(JAVA_INT, EAX),
                            entry.get(JAVA_INT, EBX),
                            entry.get(JAVA_INT, ECX),
                            entry.get(JAVA_INT, EDX)));
        }
    }

    private Leaf supported(int function, int index) {
        return supported.getOrDefault(new Query(function, index), new Leaf(0, 0, 0, 0));
    }

    /** Where PKRU is in KVM_GET_XSAVE's standard format; 0 if it is not there. */
    int pkruOffset() {
        return supported(XSAVE_LEAF, PKRU_COMPONENT).ebx();
    }

    /** The components that XCR0 may hold under KVM. */
    long xcr0Mask() {
        Leaf leaf = supported(XSAVE_LEAF, 0);
        return leaf.eax() & 0xFFFF_FFFFL | (long) leaf.edx() << 32;
    }

    /**
     * What a CPU can offer.
     *
     * @param ownTsc whether the time-stamp counter can be made to count Frond's virtual time; else
     *     it has the host's frequency, and nothing that relies on Frond's is offered
     * @param hasClock whether its paravirtual clock can be set
     * @param kernelApic whether the local APICs are KVM's
     */
    Set<CpuFeature> features(boolean ownTsc, boolean hasClock, boolean kernelApic) {
        Set<CpuFeature> features = EnumSet.noneOf(CpuFeature.class);
        for (CpuFeature feature : CpuFeature.values()) {
            if (isSupported(feature, ownTsc, hasClock, kernelApic)) {
                features.add(feature);
            }
        }
        return features;
    }

    private boolean isSupported(
            CpuFeature feature, boolean ownTsc, boolean hasClock, boolean kernelApic) {
        return switch (feature) {
            // Frond's own parts answer these.
            case APIC, X2APIC, HYPERVISOR, ARAT -> true;
            case TSC_DEADLINE, INVARIANT_TSC -> ownTsc;
            // Guests are told of the standard layout of XSAVE that all engines have.
            case AVX, AVX2, FMA, F16C ->
                    hasBit(feature) && supported(XSAVE_LEAF, AVX_COMPONENT).ebx() == YMM_OFFSET;
            case PKU -> hasBit(feature) && pkruOffset() == Cpuid.PKRU_OFFSET;
            case MONITOR -> false;
            case KVM_CLOCKSOURCE, KVM_CLOCKSOURCE2, KVM_CLOCKSOURCE_STABLE ->
                    hasClock && hasBit(feature);
            // Where the local APICs are Frond's they do it.
            case KVM_PV_EOI -> !kernelApic || hasBit(feature);
            default -> hasBit(feature);
        };
    }

    private boolean hasBit(CpuFeature feature) {
        Leaf leaf = supported(feature.leaf(), feature.subleaf());
        int register =
                switch (feature.register()) {
                    case EAX -> leaf.eax();
                    case EBX -> leaf.ebx();
                    case ECX -> leaf.ecx();
                    case EDX -> leaf.edx();
                };
        return (register >>> feature.bit() & 1) != 0;
    }

    /**
     * Gives {@code vcpu} the answers of {@code cpuid}.
     *
     * @param tscKhz what the CPU's time-stamp counter counts in a millisecond
     */
    static void set(ControlFile vcpu, Cpuid cpuid, int tscKhz) {
        List<Query> queries = new ArrayList<>();
        addRange(queries, cpuid, 0);
        addRange(queries, cpuid, 0x4000_0000);
        addRange(queries, cpuid, 0x8000_0000);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(ENTRIES + queries.size() * ENTRY, 8);
            table.set(JAVA_INT, NENT, queries.size());
            for (int i = 0; i < queries.size(); i++) {
                Query query = queries.get(i);
                Leaf leaf = answer(cpuid, query, tscKhz);
                MemorySegment entry = table.asSlice(ENTRIES + i * ENTRY, ENTRY);
                entry.set(JAVA_INT, FUNCTION, query.function);
                entry.set(JAVA_INT, INDEX, query.index);
                entry.set(
                        JAVA_INT,
                        FLAGS,
                        hasSubleaves(query.function) ? Kvm.CPUID_FLAG_SIGNIFCANT_INDEX : 0);
                entry.set(JAVA_INT, EAX, leaf.eax());
                entry.set(JAVA_INT, EBX, leaf.ebx());
                entry.set(JAVA_INT, ECX, leaf.ecx());
                entry.set(JAVA_INT, EDX, leaf.edx());
            }
            vcpu.call(Kvm.SET_CPUID2, table);
        }
    }

    private static void addRange(List<Query> queries, Cpuid cpuid, int first) {
        int last = cpuid.query(first, 0).eax();
        for (int function = first; Integer.compareUnsigned(function, last) <= 0; function++) {
            int subleaves =
                    switch (function) {
                        case 4 -> 5;
                        case 0xB -> 3;
                        case XSAVE_LEAF -> PKRU_COMPONENT + 1;
                        default -> 1;
                    };
            for (int index = 0; index < subleaves; index++) {
                queries.add(new Query(function, index));
            }
        }
    }

    private static boolean hasSubleaves(int function) {
        return function == 4 || function == 7 || function == 0xB || function == XSAVE_LEAF;
    }

    private static Leaf answer(Cpuid cpuid, Query query, int tscKhz) {
        if (tscKhz * 1000L != Cpuid.TSC_HZ) {
            // The counter has the host's frequency, which no crystal of the guest's makes.
            switch (query.function) {
                case 0x15 -> {
                    return new Leaf(0, 0, 0, 0);
                }
                case 0x16 -> {
                    int megahertz = (tscKhz + 500) / 1000;
                    Leaf leaf = cpuid.query(query.function, query.index);
                    return new Leaf(megahertz, megahertz, leaf.ecx(), leaf.edx());
                }
                case TIMING_LEAF -> {
                    Leaf leaf = cpuid.query(query.function, query.index);
                    return new Leaf(
                            leaf.eax() == 0 ? 0 : tscKhz, leaf.ebx(), leaf.ecx(), leaf.edx());
                }
                default -> {}
            }
        }
        return cpuid.query(query.function, query.index);
    }
}
