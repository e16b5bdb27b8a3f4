// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** What the leaves of each model say fits together, with one CPU and with several. */
class CpuidConsistencyTest {
    private static final int[] CPUS = {1, 2, 3, 4, 7, 16, 64, 255};

    static Stream<Cpuid> cpus() {
        return CpuModel.all().stream()
                .flatMap(model ->
                        IntStream.of(CPUS)
                                .boxed()
                                .flatMap(count ->
                                        Stream.of(0, count / 2, count - 1)
                                                .distinct()
                                                .map(id -> new Cpuid(model, id, count))));
    }

    /** Bits that tell the CPUs of the package apart. */
    private static int idBits(Cpuid cpuid) {
        return cpuid.cpus() == 1 ? 0 : 32 - Integer.numberOfLeadingZeros(cpuid.cpus() - 1);
    }

    private static int field(int register, int high, int low) {
        return register << 31 - high >>> 31 - high + low;
    }

    @ParameterizedTest
    @MethodSource("cpus")
    void everyLeafThatIsUsedIsInRange(Cpuid cpuid) {
        int basic = cpuid.query(0, 0).eax();
        int extended = cpuid.query(0x8000_0000, 0).eax();
        int hypervisor = cpuid.query(0x4000_0000, 0).eax();
        for (CpuFeature feature : cpuid.model().features()) {
            int leaf = feature.leaf();
            int highest = leaf < 0 ? extended : leaf >= 0x4000_0000 ? hypervisor : basic;
            assertThat(Integer.compareUnsigned(leaf, highest)).as("%s", feature).isNotPositive();
        }
        assertThat(Integer.compareUnsigned(extended, 0x8000_0008)).isNotNegative();
        if (cpuid.model().isAmd()) {
            Cpuid.Leaf first = cpuid.query(0, 0);
            Cpuid.Leaf again = cpuid.query(0x8000_0000, 0);
            assertThat(List.of(again.ebx(), again.ecx(), again.edx()))
                    .containsExactly(first.ebx(), first.ecx(), first.edx());
            assertThat(cpuid.query(0x8000_0001, 0).eax()).isEqualTo(cpuid.query(1, 0).eax());
        }
    }

    @ParameterizedTest
    @MethodSource("cpus")
    void noFeatureIsThereWithoutWhatItNeeds(Cpuid cpuid) {
        assertThat(CpuSwitches.lacking(cpuid.model().features())).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("cpus")
    void everyLeafTellsTheSameTopology(Cpuid cpuid) {
        int bits = idBits(cpuid);
        Cpuid.Leaf one = cpuid.query(1, 0);
        assertThat(field(one.ebx(), 31, 24)).as("initial APIC ID").isEqualTo(cpuid.id());
        boolean several = cpuid.cpus() > 1;
        assertThat(field(one.edx(), 28, 28)).as("HTT").isEqualTo(several ? 1 : 0);
        if (several) {
            assertThat(field(one.ebx(), 23, 16)).isEqualTo(Math.min(1 << bits, 255));
        }
        if (cpuid.model().isAmd()) {
            Cpuid.Leaf sizes = cpuid.query(0x8000_0008, 0);
            assertThat(field(sizes.ecx(), 7, 0) + 1).as("NC").isEqualTo(cpuid.cpus());
            assertThat(field(sizes.ecx(), 15, 12)).as("ApicIdSize").isEqualTo(bits);
            Cpuid.Leaf ids = cpuid.query(0x8000_001E, 0);
            assertThat(ids.eax()).as("extended APIC ID").isEqualTo(cpuid.id());
            assertThat(field(ids.ebx(), 7, 0)).as("core").isEqualTo(cpuid.id());
            assertThat(field(ids.ebx(), 15, 8) + 1).as("threads of a core").isEqualTo(1);
            assertThat(field(ids.ecx(), 10, 8) + 1).as("nodes of the package").isEqualTo(1);
        }
        Cpuid.Leaf threads = cpuid.query(0xB, 0);
        Cpuid.Leaf cores = cpuid.query(0xB, 1);
        assertThat(threads.edx()).isEqualTo(cpuid.id());
        assertThat(cores.edx()).isEqualTo(cpuid.id());
        assertThat(field(threads.eax(), 4, 0)).isZero();
        assertThat(field(threads.ebx(), 15, 0)).isEqualTo(1);
        assertThat(field(threads.ecx(), 15, 8)).as("SMT").isEqualTo(1);
        assertThat(field(cores.eax(), 4, 0)).isEqualTo(bits);
        assertThat(field(cores.ebx(), 15, 0)).isEqualTo(cpuid.cpus());
        assertThat(field(cores.ecx(), 15, 8)).as("core").isEqualTo(2);
        assertThat(field(cpuid.query(0xB, 2).ecx(), 15, 8)).as("no more levels").isZero();
        assertThat(cpuid.id() >> bits).as("one package").isZero();
    }

    @ParameterizedTest
    @MethodSource("cpus")
    void cachesAreSharedAsTheTopologyHasIt(Cpuid cpuid) {
        int leaf = cpuid.model().isAmd() ? 0x8000_001D : 4;
        Set<String> seen = new HashSet<>();
        for (int i = 0; field(cpuid.query(leaf, i).eax(), 4, 0) != 0; i++) {
            Cpuid.Leaf cache = cpuid.query(leaf, i);
            int type = field(cache.eax(), 4, 0);
            int level = field(cache.eax(), 7, 5);
            assertThat(seen.add(type + " " + level)).as("one of each").isTrue();
            int line = field(cache.ebx(), 11, 0) + 1;
            assertThat(line)
                    .as("CLFLUSH's line")
                    .isEqualTo(8 * field(cpuid.query(1, 0).ebx(), 15, 8));
            int ids = field(cache.eax(), 25, 14) + 1;
            assertThat(ids).isEqualTo(level == 3 ? 1 << idBits(cpuid) : 1);
            if (leaf == 4) {
                assertThat(field(cache.eax(), 31, 26) + 1)
                        .isEqualTo(Math.min(1 << idBits(cpuid), 64));
            }
            assertThat(Integer.bitCount(cache.ecx() + 1)).as("sets").isEqualTo(1);
        }
        assertThat(seen).containsExactlyInAnyOrder("1 1", "2 1", "3 2", "3 3");
        if (cpuid.has(CpuFeature.MONITOR)) {
            Cpuid.Leaf monitor = cpuid.query(5, 0);
            assertThat(field(monitor.eax(), 15, 0)).isEqualTo(64);
            assertThat(field(monitor.ebx(), 15, 0)).isEqualTo(64);
        } else {
            assertThat(cpuid.query(5, 0)).isEqualTo(Cpuid.Leaf.ZERO);
        }
    }

    @ParameterizedTest
    @MethodSource("cpus")
    void xsaveHasRoomForEveryComponent(Cpuid cpuid) {
        Cpuid.Leaf main = cpuid.query(0xD, 0);
        long components = cpuid.xcr0Mask();
        assertThat(main.eax() & 0xFFFF_FFFFL | (long) main.edx() << 32).isEqualTo(components);
        long taken = 512 + 64;
        for (int i = 2; i < 63; i++) {
            Cpuid.Leaf component = cpuid.query(0xD, i);
            if ((components & 1L << i) == 0) {
                assertThat(component).as("component %d", i).isEqualTo(Cpuid.Leaf.ZERO);
                continue;
            }
            assertThat(component.eax()).isPositive();
            assertThat(component.ebx()).as("component %d", i).isGreaterThanOrEqualTo((int) taken);
            taken = (long) component.ebx() + component.eax();
        }
        assertThat(main.ecx()).isEqualTo((int) taken);
        assertThat(Cpuid.xsaveSize(components)).isEqualTo((int) taken);
        assertThat((components & 4) != 0).isEqualTo(cpuid.has(CpuFeature.AVX));
        assertThat((components & 0x200) != 0).isEqualTo(cpuid.has(CpuFeature.PKU));
    }

    @ParameterizedTest
    @MethodSource("cpus")
    void frequenciesAndAddressesAgree(Cpuid cpuid) {
        Cpuid.Leaf paravirtual = cpuid.query(0x4000_0010, 0);
        assertThat(paravirtual.eax()).isEqualTo(Cpuid.TSC_HZ / 1000);
        if (!cpuid.model().isAmd()) {
            Cpuid.Leaf crystal = cpuid.query(0x15, 0);
            assertThat((long) crystal.ecx() * crystal.ebx() / crystal.eax())
                    .isEqualTo(Cpuid.TSC_HZ);
            assertThat(cpuid.query(0x16, 0).eax() * 1_000_000L).isEqualTo(Cpuid.TSC_HZ);
        }
        int sizes = cpuid.query(0x8000_0008, 0).eax();
        assertThat(field(sizes, 7, 0)).isEqualTo(Cpuid.PHYSICAL_BITS);
        assertThat(field(sizes, 15, 8)).isEqualTo(cpuid.has(CpuFeature.LA57) ? 57 : 48);
    }
}
