// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import java.nio.charset.StandardCharsets;

/**
 * The CPUID answers of one CPU: model and features, number {@code id} of {@code cpus} that all sit
 * in one package with one thread each. What follows the running state (OSXSAVE, the XSAVE size in
 * use) is the engine's to fill in.
 */
public record Cpuid(CpuModel model, int id, int cpus) {
    /** One answer. */
    public record Leaf(int eax, int ebx, int ecx, int edx) {
        static final Leaf ZERO = new Leaf(0, 0, 0, 0);
    }

    private static final int MAX_BASIC_INTEL = 0x16;
    private static final int MAX_BASIC_AMD = 0xD;
    private static final int MAX_EXTENDED_INTEL = 0x8000_0008;
    private static final int MAX_EXTENDED_AMD = 0x8000_001E;

    /**
     * Features of leaf 1 that processors of AMD show again in leaf 80000001h (APM Vol. 3, E.4.2).
     */
    private static final int SHOWN_TWICE = 0x0183_F3FF;

    private static final int MAX_HYPERVISOR = 0x4000_0001;
    private static final int MAX_KVM = 0x4000_0010;

    /** What the time-stamp counter counts in a second of virtual time. */
    public static final int TSC_HZ = 1_000_000_000;

    private static final int BUS_MHZ = 100;

    /** Where PKRU is in the standard format of XSAVE, as processors of Intel have it. */
    public static final int PKRU_OFFSET = 2688;

    /** The component of XCR0 that is PKRU. */
    private static final long PKRU = 0x200;

    /** Physical address bits. */
    public static final int PHYSICAL_BITS = 46;

    /** Family, model and stepping as leaf 1 EAX and reset's EDX hold them. */
    public int signature() {
        int family = Math.min(model.family(), 15);
        return (model.family() - family) << 20
                | model.model() >>> 4 << 16
                | family << 8
                | (model.model() & 15) << 4
                | model.stepping();
    }

    /** Whether {@code feature} is offered. */
    public boolean has(CpuFeature feature) {
        return model.features().contains(feature);
    }

    /**
     * The answer for EAX = {@code leaf}, ECX = {@code subleaf}; out-of-range leaves give the
     * highest basic one, or zeros where the model is one of AMD.
     */
    public Leaf query(int leaf, int subleaf) {
        int in = leaf;
        boolean amd = model.isAmd();
        int maxBasic = amd ? MAX_BASIC_AMD : MAX_BASIC_INTEL;
        int maxExtended = amd ? MAX_EXTENDED_AMD : MAX_EXTENDED_INTEL;
        if (Integer.compareUnsigned(in, 0x8000_0000) >= 0) {
            if (Integer.compareUnsigned(in, maxExtended) > 0) {
                // What is not there: Intel's give the highest basic leaf, AMD's zeros.
                if (amd) {
                    return Leaf.ZERO;
                }
                in = maxBasic;
            }
        } else if (Integer.compareUnsigned(in, 0x4000_0000) >= 0 && has(CpuFeature.HYPERVISOR)) {
            return hypervisor(in);
        } else if (in > maxBasic) {
            if (amd) {
                return Leaf.ZERO;
            }
            in = maxBasic;
        }
        Leaf features = features(in, subleaf);
        if (amd && (in == 2 || in == 4)) {
            return Leaf.ZERO;
        }
        return switch (in) {
            case 0 -> vendor(maxBasic);
            case 1 ->
                    new Leaf(
                            signature(),
                            id << 24 | (cpus > 1 ? Math.min(pow2(cpus), 255) << 16 : 0) | 8 << 8,
                            features.ecx,
                            features.edx | (cpus > 1 ? 1 << 28 : 0));
            // A 32 KiB L1 of each kind, 1 MiB L2, 8 MiB L3, by leaf 4.
            case 2 -> new Leaf(0x00FF_FF01, 0, 0, 0);
            case 4 -> cache(subleaf);
            case 5 -> has(CpuFeature.MONITOR) ? monitor() : Leaf.ZERO;
            case 0xB -> topology(subleaf);
            case 0xD -> xsave(subleaf, features);
            // The time-stamp counter and the APIC timer both count the crystal's clock.
            case 0x15 -> new Leaf(1, 1, TSC_HZ, 0);
            case 0x16 -> new Leaf(TSC_HZ / 1_000_000, TSC_HZ / 1_000_000, BUS_MHZ, 0);
            case 0x8000_0000 -> amd ? vendor(maxExtended) : new Leaf(maxExtended, 0, 0, 0);
            case 0x8000_0001 -> amd ? amdFeatures(features) : features;
            case 0x8000_0002, 0x8000_0003, 0x8000_0004 -> brand(in - 0x8000_0002);
            // KiB, associativity, lines per tag, line size; of L3 units of 512 KiB.
            case 0x8000_0005 ->
                    amd
                            ? new Leaf(
                                    0,
                                    0,
                                    32 << 24 | 8 << 16 | 1 << 8 | 64,
                                    32 << 24 | 8 << 16 | 1 << 8 | 64)
                            : features;
            case 0x8000_0006 ->
                    new Leaf(
                            0,
                            0,
                            1024 << 16 | (amd ? WAYS_8 : 8) << 12 | (amd ? 1 << 8 : 0) | 64,
                            amd ? 16 << 18 | WAYS_16 << 12 | 1 << 8 | 64 : 0);
            case 0x8000_0008 ->
                    new Leaf(
                            linearBits() << 8 | PHYSICAL_BITS,
                            0,
                            amd ? packageShift() << 12 | Math.min(cpus - 1, 255) : 0,
                            0);
            case 0x8000_001D -> has(CpuFeature.TOPOEXT) ? amdCache(subleaf) : Leaf.ZERO;
            case 0x8000_001E -> has(CpuFeature.TOPOEXT) ? new Leaf(id, id & 0xFF, 0, 0) : Leaf.ZERO;
            default -> features;
        };
    }

    /** The bits of a linear address that paging translates at most. */
    private int linearBits() {
        return has(CpuFeature.LA57) ? 57 : 48;
    }

    /** The bytes that XSAVE's standard format needs for the components in {@code xcr0}. */
    public static int xsaveSize(long xcr0) {
        if ((xcr0 & PKRU) != 0) {
            return PKRU_OFFSET + 8;
        }
        return (xcr0 & 4) != 0 ? 512 + 64 + 256 : 512 + 64;
    }

    /**
     * The bytes that the compacted format needs for the components in {@code xcr0}, each of which
     * follows the one before at once (SDM Vol. 1, 13.4.3).
     */
    public static int compactedSize(long xcr0) {
        return 512 + 64 + ((xcr0 & 4) != 0 ? 256 : 0) + ((xcr0 & PKRU) != 0 ? 8 : 0);
    }

    /** The components that XCR0 may enable. */
    public long xcr0Mask() {
        return (has(CpuFeature.AVX) ? 7 : 3) | (has(CpuFeature.PKU) ? PKRU : 0);
    }

    /** Lines of 64 bytes; masked interrupts may end MWAIT; one depth of C1, and of C0 with AMD. */
    private Leaf monitor() {
        return new Leaf(64, 64, 3, model.isAmd() ? 0x11 : 0x10);
    }

    private Leaf features(int leaf, int subleaf) {
        // Most leaves have no subleaves: ECX is ignored there.
        int wanted = leaf == 7 || leaf == 0xD ? subleaf : 0;
        int[] registers = new int[4];
        for (CpuFeature feature : model.features()) {
            if (feature.leaf() == leaf && feature.subleaf() == wanted) {
                registers[feature.register().ordinal()] |= 1 << feature.bit();
            }
        }
        return new Leaf(registers[0], registers[1], registers[2], registers[3]);
    }

    private Leaf vendor(int eax) {
        byte[] text = model.vendor().getBytes(StandardCharsets.US_ASCII);
        return new Leaf(eax, word(text, 0), word(text, 8), word(text, 4));
    }

    /** Whether there are paravirtual features, under the signature of KVM. */
    private boolean isKvm() {
        return model.features().stream().anyMatch(CpuFeature::isKvm);
    }

    private Leaf hypervisor(int leaf) {
        boolean kvm = isKvm();
        return switch (leaf) {
            case 0x4000_0000 -> {
                String signature = kvm ? "KVMKVMKVM\0\0\0" : "FrondFrond\0\0";
                byte[] text = signature.getBytes(StandardCharsets.US_ASCII);
                yield new Leaf(
                        kvm ? MAX_KVM : MAX_HYPERVISOR,
                        word(text, 0),
                        word(text, 4),
                        word(text, 8));
            }
            case 0x4000_0001 -> features(leaf, 0);
            // The frequencies of the time-stamp counter and of the APIC's timer in kHz.
            case MAX_KVM -> kvm ? new Leaf(TSC_HZ / 1000, TSC_HZ / 1000, 0, 0) : Leaf.ZERO;
            default -> Leaf.ZERO;
        };
    }

    private Leaf cache(int subleaf) {
        return switch (subleaf) {
            case 0 -> cache(1, 1, 8, 64, 1);
            case 1 -> cache(2, 1, 8, 64, 1);
            case 2 -> cache(3, 2, 8, 2048, 1);
            case 3 -> cache(3, 3, 16, 8192, cpus);
            default -> Leaf.ZERO;
        };
    }

    private Leaf cache(int type, int level, int ways, int sets, int sharedBy) {
        return new Leaf(
                Math.min(pow2(cpus) - 1, 63) << 26
                        | Math.min(pow2(sharedBy) - 1, 4095) << 14
                        | 1 << 8
                        | level << 5
                        | type,
                (ways - 1) << 22 | 63,
                sets - 1,
                0);
    }

    /** How leaf 80000006h writes 8 and 16 ways (APM Vol. 3, E.4.5). */
    private static final int WAYS_8 = 6;

    private static final int WAYS_16 = 8;

    private Leaf amdFeatures(Leaf features) {
        // CmpLegacy: several cores, as HTT in leaf 1 says.
        return new Leaf(
                signature(),
                0,
                features.ecx | (cpus > 1 ? 1 << 1 : 0),
                features.edx | features(1, 0).edx & SHOWN_TWICE);
    }

    /** The same caches as in leaf 4, without the number of cores in EAX 31:26. */
    private Leaf amdCache(int subleaf) {
        Leaf cache = cache(subleaf);
        return new Leaf(cache.eax & 0x03FF_FFFF, cache.ebx, cache.ecx, cache.edx);
    }

    /** The bits of an APIC identifier that tell CPUs of a package apart. */
    private int packageShift() {
        return Integer.numberOfTrailingZeros(pow2(cpus));
    }

    private Leaf topology(int subleaf) {
        int packageShift = packageShift();
        return switch (subleaf) {
            case 0 -> new Leaf(0, 1, 1 << 8, id);
            case 1 -> new Leaf(packageShift, cpus, 2 << 8 | 1, id);
            default -> new Leaf(0, 0, subleaf & 0xFF, id);
        };
    }

    private Leaf xsave(int subleaf, Leaf features) {
        if (!has(CpuFeature.XSAVE)) {
            return Leaf.ZERO;
        }
        return switch (subleaf) {
            case 0 -> new Leaf((int) xcr0Mask(), xsaveSize(xcr0Mask()), xsaveSize(xcr0Mask()), 0);
            case 1 -> new Leaf(features.eax, 0, 0, 0);
            case 2 -> has(CpuFeature.AVX) ? new Leaf(256, 576, 0, 0) : Leaf.ZERO;
            case 9 -> has(CpuFeature.PKU) ? new Leaf(8, PKRU_OFFSET, 0, 0) : Leaf.ZERO;
            default -> Leaf.ZERO;
        };
    }

    private Leaf brand(int part) {
        byte[] text = new byte[48];
        byte[] name = model.brand().getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(name, 0, text, 0, Math.min(47, name.length));
        int at = part * 16;
        return new Leaf(
                word(text, at), word(text, at + 4), word(text, at + 8), word(text, at + 12));
    }

    private static int word(byte[] text, int at) {
        return (text[at] & 0xFF)
                | (text[at + 1] & 0xFF) << 8
                | (text[at + 2] & 0xFF) << 16
                | text[at + 3] << 24;
    }

    private static int pow2(int n) {
        return n <= 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
    }
}
