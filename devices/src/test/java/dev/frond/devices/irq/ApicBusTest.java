// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Messages between APICs: who is addressed, who accepts, what arrives. */
class ApicBusTest {
    private static final int LOGICAL = 1 << 11;
    private static final int ASSERT = 1 << 14;
    private static final int LEVEL = 1 << 15;
    private static final int TO_SELF = 1 << 18;
    private static final int TO_ALL = 2 << 18;
    private static final int TO_OTHERS = 3 << 18;
    private static final int LOWEST = 1 << 8;
    private static final int SMI = 2 << 8;
    private static final int NMI = 4 << 8;
    private static final int INIT = 5 << 8;
    private static final int START_UP = 6 << 8;

    private final ApicRig rig = new ApicRig(4).enabled();

    private void x2apicAll() {
        for (int i = 0; i < rig.apics.size(); i++) {
            assertThat(rig.goX2apic(i)).isTrue();
        }
    }

    private void x2apicIpi(int cpu, long destination, int low) {
        assertThat(rig.apic(cpu).writeMsr(0x830, destination << 32 | low)).isTrue();
    }

    private int x2apicTake(int cpu) {
        int vector = rig.take(cpu);
        assertThat(rig.apic(cpu).writeMsr(0x80B, 0)).isTrue();
        return vector;
    }

    @Test
    void aPhysicalDestinationIsOneCpu() {
        rig.ipi(0, 2, 0x40);
        assertThat(rig.takers(0x40)).containsExactly(2);
        rig.ipi(0, 9, 0x40);
        assertThat(rig.takers(0x40)).isEmpty();
    }

    @Test
    void aRewrittenXapicIdIsTheNewAddress() {
        rig.write(3, ID, 0x0900_0000);
        rig.ipi(0, 9, 0x40);
        assertThat(rig.takers(0x40)).containsExactly(3);
    }

    @Test
    void destinationFfReachesAllIncludingTheSender() {
        rig.ipi(1, 0xFF, 0x40);
        assertThat(rig.takers(0x40)).containsExactly(0, 1, 2, 3);
    }

    @Test
    void theShorthandsIgnoreTheDestination() {
        rig.ipi(1, 3, TO_SELF | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(1);
        rig.ipi(1, 3, TO_ALL | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(0, 1, 2, 3);
        rig.ipi(1, 3, TO_OTHERS | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(0, 2, 3);
    }

    @Test
    void theFlatModelAddressesASetOfCpus() {
        for (int i = 0; i < 4; i++) {
            rig.write(i, LDR, 1 << (24 + i));
        }
        rig.ipi(0, 0b1010, LOGICAL | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(1, 3);
        rig.ipi(0, 0xFF, LOGICAL | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(0, 1, 2, 3);
        rig.ipi(0, 0x40, LOGICAL | 0x40);
        assertThat(rig.takers(0x40)).isEmpty();
    }

    @Test
    void theClusterModelAddressesMembersOfOneCluster() {
        int[] addresses = {0x11, 0x12, 0x21, 0x22};
        for (int i = 0; i < 4; i++) {
            rig.write(i, DFR, 0);
            rig.write(i, LDR, addresses[i] << 24);
        }
        rig.ipi(0, 0x13, LOGICAL | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(0, 1);
        rig.ipi(0, 0x22, LOGICAL | 0x40);
        assertThat(rig.takers(0x40)).containsExactly(3);
        rig.ipi(0, 0x3F, LOGICAL | 0x40);
        assertThat(rig.takers(0x40)).isEmpty();
    }

    @Test
    void x2apicAddressesByIdByClusterAndByBroadcast() {
        x2apicAll();
        x2apicIpi(0, 3, 0x40);
        assertThat(x2apicTake(3)).isEqualTo(0x40);
        x2apicIpi(0, 0x0000_0006, LOGICAL | 0x41);
        assertThat(x2apicTake(0)).isEqualTo(-1);
        assertThat(x2apicTake(1)).isEqualTo(0x41);
        assertThat(x2apicTake(2)).isEqualTo(0x41);
        assertThat(x2apicTake(3)).isEqualTo(-1);
        x2apicIpi(0, 0x0001_0006, LOGICAL | 0x42);
        x2apicIpi(0, 0xFF, 0x43);
        assertThat(x2apicTake(1)).isEqualTo(-1);
        x2apicIpi(2, 0xFFFF_FFFFL, 0x44);
        for (int i = 0; i < 4; i++) {
            assertThat(x2apicTake(i)).isEqualTo(0x44);
        }
    }

    @Test
    void anEightBitMessageReachesX2apicsAndFfMeansAllOfThem() {
        x2apicAll();
        rig.bus.send(0xFEE0_2000L, 0x40);
        assertThat(x2apicTake(2)).isEqualTo(0x40);
        rig.bus.send(0xFEE0_6004L, 0x41);
        assertThat(x2apicTake(1)).isEqualTo(0x41);
        assertThat(x2apicTake(2)).isEqualTo(0x41);
        rig.bus.send(0xFEEF_F000L, 0x42);
        for (int i = 0; i < 4; i++) {
            assertThat(x2apicTake(i)).isEqualTo(0x42);
        }
    }

    @Test
    void lowestPriorityGoesToTheOneCpuThatIsLeastBusy() {
        for (int i = 0; i < 4; i++) {
            rig.write(i, LDR, 1 << (24 + i));
            rig.write(i, TPR, 0x20 * (4 - i));
        }
        rig.ipi(0, 0b1111, LOGICAL | LOWEST | 0xF0);
        assertThat(rig.takers(0xF0)).containsExactly(3);
        rig.ipi(0, 0b0011, LOGICAL | LOWEST | 0xF0);
        assertThat(rig.takers(0xF0)).containsExactly(1);
        rig.write(3, SVR, 0xFF);
        rig.ipi(0, 0b1111, LOGICAL | LOWEST | 0xF0);
        assertThat(rig.takers(0xF0)).as("a disabled APIC takes no part").containsExactly(2);
    }

    @Test
    void amongEqualsTheVectorPicksSoThatVectorsSpread() {
        for (int i = 0; i < 4; i++) {
            rig.write(i, LDR, 1 << (24 + i));
        }
        int[] count = new int[4];
        for (int vector = 0x40; vector < 0x80; vector++) {
            rig.ipi(0, 0b1111, LOGICAL | LOWEST | vector);
            rig.takers(vector).forEach(cpu -> count[cpu]++);
        }
        assertThat(count).containsExactly(16, 16, 16, 16);
    }

    @Test
    void anApplicationProcessorStartsByInitAndTwoStartupIpis() {
        // As Linux wakes a CPU: INIT level assert, INIT level de-assert, SIPI, SIPI.
        ApicRig fresh = new ApicRig(2);
        fresh.ipi(0, 1, INIT | LEVEL | ASSERT);
        fresh.ipi(0, 1, INIT | LEVEL);
        fresh.ipi(0, 1, START_UP | 0x9A);
        fresh.ipi(0, 1, START_UP | 0x9A);
        assertThat(fresh.cpu(1).heard).containsExactly("init", "startup 9a", "startup 9a");
        assertThat(fresh.cpu(0).heard).isEmpty();
    }

    @Test
    void initResetsTheTargetsRegistersExceptItsIdAndMode() {
        rig.write(1, ID, 0x0700_0000);
        rig.write(1, LDR, 0x0100_0000);
        rig.write(1, LVT_TIMER, 0x50);
        rig.write(1, INITIAL_COUNT, 1000);
        rig.ipi(0, 7, 0x40);
        rig.ipi(0, 7, INIT | ASSERT);
        assertThat(rig.apic(1).pending()).isFalse();
        assertThat(rig.read(1, ID)).isEqualTo(0x0700_0000);
        assertThat(rig.read(1, LDR)).isZero();
        assertThat(rig.read(1, SVR)).isEqualTo(0xFF);
        assertThat(rig.read(1, LVT_TIMER)).isEqualTo(MASKED);
        rig.clock.advance(10_000);
        assertThat(rig.apic(1).pending()).isFalse();
        assertThat(rig.goX2apic(2)).isTrue();
        rig.ipi(0, 2, INIT | ASSERT);
        assertThat(rig.apic(2).readMsr(IA32_APIC_BASE)).isEqualTo(X2APIC);
    }

    @Test
    void nmiAndInitReachAnApicThatSvrDisablesButNotOneThatIsOff() {
        rig.write(1, SVR, 0xFF);
        rig.ipi(0, 1, NMI);
        rig.ipi(0, 1, 0x40);
        assertThat(rig.cpu(1).heard).containsExactly("nmi");
        assertThat(rig.apic(2).writeMsr(IA32_APIC_BASE, 0xFEE0_0000L)).isTrue();
        rig.ipi(0, 0, TO_OTHERS | NMI);
        rig.ipi(0, 0xFF, TO_OTHERS | INIT | ASSERT);
        assertThat(rig.cpu(2).heard).isEmpty();
        assertThat(rig.cpu(3).heard).containsExactly("nmi", "init");
    }

    @Test
    void aSystemManagementInterruptReachesItsCpu() {
        rig.ipi(0, 1, SMI);
        assertThat(rig.cpu(1).heard).containsExactly("smi");
        assertThat(rig.apic(1).pending()).isFalse();
    }

    @Test
    void reservedModesDoNothing() {
        rig.ipi(0, 1, 3 << 8 | 0x40);
        rig.ipi(0, 1, 7 << 8 | 0x40);
        assertThat(rig.cpu(1).heard).isEmpty();
        assertThat(rig.apic(1).pending()).isFalse();
    }

    @Test
    void icrReadsBackWithTheDeliveryDone() {
        rig.ipi(0, 2, 1 << 12 | 0x40);
        assertThat(rig.read(0, ICR_HIGH)).isEqualTo(0x0200_0000);
        assertThat(rig.read(0, ICR_LOW)).isEqualTo(0x40);
    }

    @Test
    void aMessageSignalledInterruptCarriesItsTargetInTheAddress() {
        rig.bus.send(0xFEE0_3000L, 0x51);
        assertThat(rig.takers(0x51)).containsExactly(3);
        rig.bus.send(0xFEE0_1000L, NMI);
        assertThat(rig.cpu(1).heard).containsExactly("nmi");
    }

    @Test
    void aLogicalMessageWithTheRedirectionHintGoesToOneOfTheSet() {
        for (int i = 0; i < 4; i++) {
            rig.write(i, LDR, 1 << (24 + i));
        }
        rig.bus.send(0xFEE0_F004L, 0x51);
        assertThat(rig.takers(0x51)).containsExactly(0, 1, 2, 3);
        rig.bus.send(0xFEE0_F00CL, 0x51);
        assertThat(rig.takers(0x51)).hasSize(1);
        rig.bus.send(0xFEE0_F004L, LOWEST | 0x51);
        assertThat(rig.takers(0x51)).hasSize(1);
    }

    @Test
    void aLevelMessageMarksItsVectorAndItsDeassertIsIgnored() {
        rig.bus.send(0xFEE0_0000L, LEVEL | 0x51);
        assertThat(rig.apic(0).pending()).isFalse();
        rig.bus.send(0xFEE0_0000L, LEVEL | ASSERT | 0x51);
        assertThat(rig.read(0, TMR + 0x20)).isEqualTo(1 << 0x11);
        rig.bus.send(0xFEE0_0000L, 0x51);
        assertThat(rig.read(0, TMR + 0x20)).isZero();
    }

    @Test
    void otherAddressesAreNoInterrupts() {
        rig.bus.send(0xFED0_0000L, 0x51);
        rig.bus.send(0x1_FEE0_0000L, 0x51);
        assertThat(rig.takers(0x51)).isEmpty();
    }
}
