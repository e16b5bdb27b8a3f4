// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Set;

class CpuidTest {
    private final Cpuid one = new Cpuid(CpuModel.X86_64_V2, 0, 1);

    @Test
    void leafZeroNamesTheVendorInEbxEdxEcx() {
        Cpuid.Leaf leaf = one.query(0, 0);
        assertThat(text(leaf.ebx(), leaf.edx(), leaf.ecx())).isEqualTo("GenuineIntel");
        assertThat(leaf.eax()).isGreaterThanOrEqualTo(0xD);
    }

    @Test
    void leafOneHoldsTheSignature() {
        assertThat(one.query(1, 0).eax()).isEqualTo(0x0002_06C1);
        CpuModel amd = new CpuModel("m", "AuthenticAMD", 0x19, 0x61, 2, "", Set.of());
        assertThat(new Cpuid(amd, 0, 1).query(1, 0).eax()).isEqualTo(0x00A6_0F12);
    }

    @Test
    void exactlyTheModelsFeaturesAreShown() {
        for (CpuModel model : CpuModel.all()) {
            Cpuid cpuid = new Cpuid(model, 0, 1);
            for (CpuFeature feature : CpuFeature.values()) {
                Cpuid.Leaf leaf = cpuid.query(feature.leaf(), feature.subleaf());
                int register =
                        switch (feature.register()) {
                            case EAX -> leaf.eax();
                            case EBX -> leaf.ebx();
                            case ECX -> leaf.ecx();
                            case EDX -> leaf.edx();
                        };
                assertThat((register >>> feature.bit() & 1) != 0)
                        .as("%s of %s", feature, model.name())
                        .isEqualTo(model.features().contains(feature));
                assertThat(cpuid.has(feature)).isEqualTo(model.features().contains(feature));
            }
        }
    }

    @Test
    void noTwoFeaturesShareABit() {
        long distinct =
                java.util.Arrays.stream(CpuFeature.values())
                        .map(f -> f.leaf() + "." + f.subleaf() + "." + f.register() + "." + f.bit())
                        .distinct()
                        .count();
        assertThat(distinct).isEqualTo(CpuFeature.values().length);
    }

    @Test
    void aModelIsCutDownToWhatAnEngineImplements() {
        CpuModel cut =
                CpuModel.X86_64_V3.within(
                        EnumSet.of(CpuFeature.SSE2, CpuFeature.AVX, CpuFeature.SSE4A));
        assertThat(cut.features()).containsExactlyInAnyOrder(CpuFeature.SSE2, CpuFeature.AVX);
        assertThat(new CpuModel("m", "v", 6, 1, 1, "", Set.of()).within(Set.of()).features())
                .isEmpty();
    }

    @Test
    void theBrandIsReadFromThreeLeaves() {
        StringBuilder brand = new StringBuilder();
        for (int i = 0; i < 3; i++) {
            Cpuid.Leaf leaf = one.query(0x8000_0002 + i, 0);
            brand.append(text(leaf.eax(), leaf.ebx(), leaf.ecx(), leaf.edx()));
        }
        assertThat(brand.toString().replace("\0", "")).isEqualTo("Frond virtual CPU x86-64-v2");
    }

    @Test
    void severalCpusAreCoresOfOnePackage() {
        Cpuid third = new Cpuid(CpuModel.X86_64_V2, 2, 3);
        Cpuid.Leaf leaf1 = third.query(1, 0);
        assertThat(leaf1.ebx() >>> 24).isEqualTo(2);
        assertThat(leaf1.ebx() >>> 16 & 0xFF).isEqualTo(4);
        assertThat(leaf1.edx() >>> 28 & 1).as("HTT").isEqualTo(1);
        assertThat(third.query(0xB, 0)).isEqualTo(new Cpuid.Leaf(0, 1, 0x100, 2));
        assertThat(third.query(0xB, 1)).isEqualTo(new Cpuid.Leaf(2, 3, 0x201, 2));
        assertThat(third.query(0xB, 2)).isEqualTo(new Cpuid.Leaf(0, 0, 2, 2));
        assertThat(one.query(1, 0).edx() >>> 28 & 1).as("HTT").isZero();
    }

    @Test
    void manyCpusDoNotOverflowTheirFields() {
        Cpuid last = new Cpuid(CpuModel.X86_64_V2, 254, 255);
        assertThat(last.query(1, 0).ebx() >>> 24).isEqualTo(254);
        assertThat(last.query(4, 0).eax() & 0x1F).as("data cache").isEqualTo(1);
        assertThat(last.query(4, 0).eax() >>> 26).isEqualTo(63);
    }

    @Test
    void leafFourDescribesCachesAndEnds() {
        Cpuid.Leaf l1 = one.query(4, 0);
        int ways = (l1.ebx() >>> 22) + 1;
        int line = (l1.ebx() & 0xFFF) + 1;
        assertThat(ways * line * (l1.ecx() + 1)).isEqualTo(32 * 1024);
        assertThat(one.query(4, 4).eax()).isZero();
    }

    @Test
    void processorsOfAmdDescribeCachesAndTopologyInLeavesOfTheirOwn() {
        Cpuid amd = new Cpuid(CpuModel.EPYC, 2, 3);
        assertThat(amd.query(0, 0).eax()).isEqualTo(0xD);
        assertThat(amd.query(0x8000_0000, 0).eax()).isEqualTo(0x8000_001E);
        assertThat(amd.query(0x8000_0000, 0).ebx()).isEqualTo(amd.query(0, 0).ebx());
        assertThat(amd.query(4, 0)).isEqualTo(Cpuid.Leaf.ZERO);
        assertThat(amd.query(0x15, 0)).isEqualTo(Cpuid.Leaf.ZERO);
        assertThat(amd.query(0x8000_0100, 0)).isEqualTo(Cpuid.Leaf.ZERO);
        long[] bytes = new long[4];
        for (int i = 0; i < 4; i++) {
            Cpuid.Leaf cache = amd.query(0x8000_001D, i);
            bytes[i] =
                    ((cache.ebx() >>> 22) + 1L) * ((cache.ebx() & 0xFFF) + 1) * (cache.ecx() + 1);
        }
        assertThat(bytes).containsExactly(32 << 10, 32 << 10, 1 << 20, 8 << 20);
        assertThat(amd.query(0x8000_001D, 4).eax()).isZero();
        Cpuid.Leaf second = amd.query(0x8000_0006, 0);
        assertThat((long) (second.ecx() >>> 16) << 10).isEqualTo(bytes[2]);
        assertThat((long) (second.edx() >>> 18) << 19).isEqualTo(bytes[3]);
        assertThat((long) (amd.query(0x8000_0005, 0).ecx() >>> 24) << 10).isEqualTo(bytes[0]);
        assertThat(amd.query(0x8000_001E, 0)).isEqualTo(new Cpuid.Leaf(2, 2, 0, 0));
        assertThat(amd.query(0x8000_0008, 0).ecx()).as("cores and their bits").isEqualTo(0x2002);
        assertThat(amd.query(0x8000_0001, 0).ecx() & 2).as("CmpLegacy").isNotZero();
        int again = 0x0183_F3FF;
        assertThat(amd.query(0x8000_0001, 0).edx() & again)
                .isEqualTo(amd.query(1, 0).edx() & again);
    }

    @Test
    void namedModelsHaveTheirSignatures() {
        assertThat(new Cpuid(CpuModel.HASWELL, 0, 1).signature()).isEqualTo(0x306C3);
        assertThat(new Cpuid(CpuModel.SKYLAKE_CLIENT, 0, 1).signature()).isEqualTo(0x506E3);
        assertThat(new Cpuid(CpuModel.EPYC, 0, 1).signature()).isEqualTo(0x0080_0F12);
        assertThat(new Cpuid(CpuModel.EPYC_MILAN, 0, 1).signature()).isEqualTo(0x00A0_0F11);
        assertThat(CpuModel.named("EPYC-Milan")).contains(CpuModel.EPYC_MILAN);
        assertThat(new Cpuid(CpuModel.EPYC_MILAN, 0, 1).query(0xD, 9).eax()).isEqualTo(8);
    }

    @Test
    void xsaveSizesFollowTheFeatures() {
        Cpuid v3 = new Cpuid(CpuModel.X86_64_V3, 0, 1);
        assertThat(v3.query(0xD, 0)).isEqualTo(new Cpuid.Leaf(7, 832, 832, 0));
        assertThat(v3.query(0xD, 2)).isEqualTo(new Cpuid.Leaf(256, 576, 0, 0));
        assertThat(one.query(0xD, 0)).isEqualTo(new Cpuid.Leaf(3, 576, 576, 0));
        assertThat(one.query(0xD, 2)).isEqualTo(Cpuid.Leaf.ZERO);
        CpuModel bare = CpuModel.X86_64_V1.within(EnumSet.of(CpuFeature.FXSR));
        assertThat(new Cpuid(bare, 0, 1).query(0xD, 0)).isEqualTo(Cpuid.Leaf.ZERO);
    }

    @Test
    void leavesOutOfRangeGiveTheHighestBasicLeaf() {
        Cpuid.Leaf highest = one.query(one.query(0, 0).eax(), 0);
        assertThat(one.query(0x1234, 0)).isEqualTo(highest);
        assertThat(one.query(0x8000_1234, 0)).isEqualTo(highest);
        assertThat(one.query(0x9000_0000, 0)).isEqualTo(highest);
    }

    @Test
    void paravirtualFeaturesStandUnderTheSignatureOfKvm() {
        Cpuid.Leaf leaf = one.query(0x4000_0000, 0);
        assertThat(leaf.eax()).isEqualTo(0x4000_0010);
        assertThat(text(leaf.ebx(), leaf.ecx(), leaf.edx())).isEqualTo("KVMKVMKVM\0\0\0");
        assertThat(one.query(0x4000_0001, 0).eax()).isEqualTo(0x0100_106B);
        assertThat(one.query(0x4000_0010, 0)).isEqualTo(new Cpuid.Leaf(1_000_000, 1_000_000, 0, 0));
        assertThat(one.query(0x4000_0FFF, 0)).isEqualTo(Cpuid.Leaf.ZERO);
    }

    @Test
    void withoutThemTheHypervisorNamesItself() {
        Set<CpuFeature> features = EnumSet.copyOf(CpuModel.X86_64_V2.features());
        features.removeIf(CpuFeature::isKvm);
        Cpuid plain = new Cpuid(CpuModel.X86_64_V2.within(features), 0, 1);
        Cpuid.Leaf leaf = plain.query(0x4000_0000, 0);
        assertThat(text(leaf.ebx(), leaf.ecx(), leaf.edx())).startsWith("FrondFrond");
        assertThat(plain.query(0x4000_0001, 0)).isEqualTo(Cpuid.Leaf.ZERO);
        features.remove(CpuFeature.HYPERVISOR);
        Cpuid hidden = new Cpuid(CpuModel.X86_64_V2.within(features), 0, 1);
        assertThat(hidden.query(0x4000_0000, 0)).isEqualTo(hidden.query(0x16, 0));
    }

    private static String text(int... registers) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * registers.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int register : registers) {
            bytes.putInt(register);
        }
        return new String(bytes.array(), StandardCharsets.US_ASCII);
    }
}
