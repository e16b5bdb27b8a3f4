// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static dev.frond.virtio.DriverQueue.Element.in;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.util.Collections;
import java.util.List;
import java.util.Random;

/** The registers of virtio over MMIO, as Linux's virtio_mmio uses them and as it never would. */
class VirtioMmioTest extends DeviceContract<VirtioMmio.State> {
    private static final long RNG_FEATURES =
            VirtioFeature.INDIRECT_DESC
                    | VirtioFeature.EVENT_IDX
                    | VirtioFeature.VERSION_1
                    | VirtioFeature.RING_PACKED;

    private final ContractDriver driver = new ContractDriver();

    /** The transport with an entropy device, which has no state of its own. */
    @Override
    protected Rig<VirtioMmio.State> newRig() {
        RecordingLine irq = new RecordingLine();
        VirtioMmio mmio =
                new VirtioMmio(new VirtioRng(() -> new Random(1)), driver.memory, irq, true);
        Rig<VirtioMmio.State> rig = new Rig<>(mmio, new ManualClock(), irq).region(mmio.region());
        return driver.drive(
                rig, mmio, List.of(List.of(-16), List.of(-4, -8), List.of(4), List.of(-4, 4)));
    }

    @Override
    protected VirtioMmio.State randomState(VirtioMmio.State reset, Random random) {
        return ContractDriver.state(reset, RNG_FEATURES, random);
    }

    private static final int NEEDS_RESET = 64;

    private final TestDevice device = new TestDevice(16, 256);
    private final Guest guest = new Guest(device);

    @Test
    void theIdentificationRegistersNameAModernDevice() {
        assertThat(guest.read(0x000)).isEqualTo(0x74726976);
        assertThat(guest.read(0x004)).isEqualTo(2);
        assertThat(guest.read(0x008)).isEqualTo(42);
        assertThat(guest.read(0x00C)).isEqualTo('F' | 'R' << 8 | 'N' << 16 | 'D' << 24);
    }

    @Test
    void theDriverSeesDeviceAndQueueFeatures() {
        assertThat(guest.offered())
                .isEqualTo(
                        TestDevice.FEATURE_A
                                | TestDevice.FEATURE_B
                                | VirtioFeature.INDIRECT_DESC
                                | VirtioFeature.EVENT_IDX
                                | VirtioFeature.VERSION_1);
        guest.write(0x14, 2);
        assertThat(guest.read(0x10)).isZero();
        assertThat(new Guest(device, true).offered() & VirtioFeature.RING_PACKED).isNotZero();
    }

    @Test
    void featuresThatWereNotOfferedAreNotAccepted() {
        assertThat(guest.negotiate(VirtioFeature.VERSION_1 | 1L << 5)).isEqualTo(3);
        assertThat(guest.negotiate(VirtioFeature.VERSION_1 | 1L << 60)).isEqualTo(3);
        assertThat(guest.negotiate(VirtioFeature.VERSION_1)).isEqualTo(11);
    }

    @Test
    void aLegacyDriverIsNotAccepted() {
        assertThat(guest.negotiate(TestDevice.FEATURE_A)).isEqualTo(3);
    }

    @Test
    void theDeviceCanRefuseACombinationOfFeatures() {
        assertThat(guest.negotiate(VirtioFeature.VERSION_1 | TestDevice.FEATURE_B)).isEqualTo(3);
        assertThat(guest.negotiate(VirtioFeature.VERSION_1 | TestDevice.FEATURE_A)).isEqualTo(11);
    }

    @Test
    void featuresStandOnceTheyWereAccepted() {
        guest.negotiate(VirtioFeature.VERSION_1);
        guest.write(0x24, 0);
        guest.write(0x20, -1);
        assertThat(guest.mmio.save().driverFeatures()).isEqualTo(VirtioFeature.VERSION_1);
    }

    @Test
    void driverOkWithoutAcceptedFeaturesStartsNothing() {
        guest.write(Guest.STATUS, 7);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(3);
        assertThat(device.calls).isEmpty();
    }

    @Test
    void statusBitsOnlyGoUpUntilZeroIsWritten() {
        guest.negotiateAll();
        guest.write(Guest.STATUS, 1);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(11);
        guest.write(Guest.STATUS, 0x80);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(0x8B);
        guest.write(Guest.STATUS, 0x40);
        assertThat(guest.read(Guest.STATUS))
                .as("DEVICE_NEEDS_RESET is the device's")
                .isEqualTo(0x8B);
        guest.write(Guest.STATUS, 0);
        assertThat(guest.read(Guest.STATUS)).isZero();
    }

    @Test
    void queuesTellTheirLargestSizeAndMissingQueuesZero() {
        guest.write(Guest.QUEUE_SEL, 0);
        assertThat(guest.read(Guest.QUEUE_NUM_MAX)).isEqualTo(16);
        guest.write(Guest.QUEUE_SEL, 1);
        assertThat(guest.read(Guest.QUEUE_NUM_MAX)).isEqualTo(256);
        for (int missing : new int[] {2, 1000, -1, Integer.MIN_VALUE}) {
            guest.write(Guest.QUEUE_SEL, missing);
            guest.write(Guest.QUEUE_READY, 1);
            assertThat(guest.read(Guest.QUEUE_NUM_MAX)).isZero();
            assertThat(guest.read(Guest.QUEUE_READY)).isZero();
        }
    }

    @Test
    void aSizeBeyondTheLargestIsNotTaken() {
        guest.write(Guest.QUEUE_SEL, 0);
        guest.write(Guest.QUEUE_NUM, 8);
        guest.write(Guest.QUEUE_NUM, 17);
        guest.write(Guest.QUEUE_NUM, -1);
        assertThat(guest.mmio.save().queues().getFirst().size()).isEqualTo(8);
    }

    @Test
    void anEnabledQueueDoesNotMove() {
        guest.negotiateAll();
        guest.queue(0, 16);
        VirtQueue.State before = guest.mmio.save().queues().getFirst();
        for (int register : new int[] {0x38, 0x80, 0x84, 0x90, 0x94, 0xA0, 0xA4}) {
            guest.write(register, 4);
        }
        assertThat(guest.mmio.save().queues().getFirst()).isEqualTo(before);
    }

    @Test
    void thereIsNoSharedMemory() {
        guest.write(0xAC, 0);
        for (int register : new int[] {0xB0, 0xB4, 0xB8, 0xBC}) {
            assertThat(guest.read(register)).isEqualTo(-1);
        }
    }

    @Test
    void theDeviceStartsAtDriverOkAndLooksAtItsQueues() {
        guest.negotiateAll();
        DriverQueue queue = guest.queue(1, 8);
        queue.add(in(0x8000, 1));
        guest.write(Guest.QUEUE_NOTIFY, 1);
        assertThat(device.calls).as("before DRIVER_OK nothing is used").isEmpty();
        guest.driverOk();
        assertThat(device.calls).containsExactly("start", "notified 1");
        assertThat(device.taken).hasSize(1);
    }

    @Test
    void notificationsForDisabledOrMissingQueuesGoNowhere() {
        guest.negotiateAll();
        guest.queue(0, 16);
        guest.driverOk();
        device.calls.clear();
        for (int queue : new int[] {1, 2, 0x1_0000, -1}) {
            guest.write(Guest.QUEUE_NOTIFY, queue);
        }
        assertThat(device.calls).isEmpty();
    }

    @Test
    void theInterruptStaysUntilAllItsCausesAreAcknowledged() {
        guest.negotiateAll();
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        queue.enableInterrupt();
        queue.add(in(0x8000, 1));
        guest.kick(queue);
        device.complete(1);
        device.changeConfig((byte) 0, (byte) 99);
        assertThat(guest.read(Guest.INTERRUPT_STATUS)).isEqualTo(3);
        guest.write(Guest.INTERRUPT_ACK, 1);
        assertThat(guest.irq.isActive()).isTrue();
        guest.write(Guest.INTERRUPT_ACK, 2);
        assertThat(guest.irq.isActive()).isFalse();
        assertThat(guest.read(Guest.INTERRUPT_STATUS)).isZero();
    }

    @Test
    void aConfigurationChangeTurnsTheGenerationAndInterrupts() {
        guest.negotiateAll();
        guest.driverOk();
        int generation = guest.read(0xFC);
        assertThat(guest.config(1, 1)).isEqualTo(1);
        device.changeConfig((byte) 0, (byte) 99);
        assertThat(guest.read(0xFC)).isNotEqualTo(generation);
        assertThat(guest.config(1, 1)).isEqualTo(99);
        assertThat(guest.read(Guest.INTERRUPT_STATUS)).isEqualTo(2);
        assertThat(guest.irq.isActive()).isTrue();
    }

    @Test
    void theConfigurationSpaceIsReadInAnyWidthAndZeroBehindItsEnd() {
        assertThat(guest.config(1, 1)).isEqualTo(1);
        assertThat(guest.config(2, 2)).isEqualTo(0x0302);
        assertThat(guest.config(4, 4)).isEqualTo(0x07060504);
        assertThat(guest.config(8, 4)).isEqualTo(0x0908);
        assertThat(guest.config(0xFC, 4)).isZero();
    }

    @Test
    void theConfigurationSpaceIsWrittenOnlyWhereItExists() {
        guest.writeConfig(0, 1, 0x55);
        guest.writeConfig(8, 2, 0x1234);
        guest.writeConfig(8, 4, 1);
        guest.writeConfig(0xFC, 4, 1);
        assertThat(device.calls).containsExactly("config 0 1 85", "config 8 2 4660");
        assertThat(guest.config(0, 1)).isEqualTo(0x55);
    }

    @Test
    void controlRegistersTakeOnlyAlignedDoublewords() {
        assertThat(guest.memory.read(Guest.MMIO, 1)).isZero();
        assertThat(guest.memory.read(Guest.MMIO, 2)).isZero();
        assertThat(guest.memory.read(Guest.MMIO + 2, 4)).isZero();
        guest.memory.write(Guest.MMIO + Guest.STATUS, 1, 1);
        assertThat(guest.read(Guest.STATUS)).isZero();
        // The bus splits eight bytes into two doublewords.
        assertThat(guest.memory.read(Guest.MMIO, 8)).isEqualTo(0x2_7472_6976L);
    }

    @Test
    void resetStopsTheDeviceAndForgetsEverything() {
        guest.negotiateAll();
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        guest.writeConfig(0, 1, 7);
        queue.enableInterrupt();
        queue.add(in(0x8000, 1));
        guest.kick(queue);
        device.complete(1);
        assertThat(guest.irq.isActive()).isTrue();

        guest.write(Guest.STATUS, 0);
        assertThat(device.calls).endsWith("stop");
        assertThat(guest.irq.isActive()).isFalse();
        assertThat(guest.mmio.save()).isEqualTo(guest.mmio.resetState());
        assertThat(device.save()).isEqualTo(device.resetState());

        guest.negotiateAll();
        DriverQueue again = guest.queue(0, 16);
        guest.driverOk();
        again.add(in(0x8000, 1));
        guest.kick(again);
        device.complete(1);
        assertThat(again.poll()).isPresent();
    }

    @Test
    void aDisabledQueueIsLeftAloneAndTheOthersGoOn() {
        guest.negotiateAll();
        DriverQueue first = guest.queue(0, 16);
        DriverQueue second = guest.queue(1, 16);
        guest.driverOk();
        first.add(in(0x8000, 1));
        guest.kick(first);
        second.add(in(0x9000, 1));
        guest.kick(second);

        guest.write(Guest.QUEUE_SEL, 0);
        guest.write(Guest.QUEUE_READY, 0);
        assertThat(guest.read(Guest.QUEUE_READY)).isZero();
        device.complete(1);
        device.complete(1);
        assertThat(first.poll()).isEmpty();
        assertThat(second.poll()).isPresent();

        DriverQueue anew = guest.queue(0, 8);
        anew.add(in(0x8000, 1));
        guest.kick(anew);
        device.complete(1);
        assertThat(anew.poll()).isPresent();
    }

    @Test
    void aBrokenDeviceTellsItsDriverAndStandsStill() {
        guest.negotiateAll();
        SplitDriverQueue queue = (SplitDriverQueue) guest.queue(0, 16);
        DriverQueue other = guest.queue(1, 16);
        guest.driverOk();
        queue.publish(16);
        guest.kick(queue);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
        assertThat(guest.read(Guest.INTERRUPT_STATUS)).isEqualTo(2);
        assertThat(guest.irq.isActive()).isTrue();

        device.calls.clear();
        other.add(in(0x8000, 1));
        guest.kick(other);
        assertThat(device.calls).isEmpty();

        guest.write(Guest.STATUS, 0);
        guest.negotiateAll();
        DriverQueue again = guest.queue(0, 16);
        guest.driverOk();
        again.add(in(0x8000, 1));
        guest.kick(again);
        assertThat(device.taken).hasSize(1);
    }

    @Test
    void aRestoredDeviceStartsWhenItSettlesAndNotBefore() {
        guest.negotiateAll();
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        queue.enableInterrupt();
        queue.add(in(0x8000, 1));
        guest.kick(queue);
        device.complete(1);

        TestDevice second = new TestDevice(16, 256);
        Guest restored = new Guest(second, guest);
        restored.mmio.load(guest.mmio.save());
        assertThat(restored.irq.edges()).isZero();
        assertThat(second.calls).isEmpty();
        assertThat(restored.mmio.save()).isEqualTo(guest.mmio.save());
        restored.mmio.settle();
        assertThat(restored.irq.isActive()).isTrue();
        assertThat(second.calls).containsExactly("start");
        assertThat(restored.mmio.save()).isEqualTo(guest.mmio.save());
    }

    @Test
    void aRestoredBrokenDeviceStaysBroken() {
        guest.negotiateAll();
        SplitDriverQueue queue = (SplitDriverQueue) guest.queue(0, 16);
        guest.driverOk();
        queue.publish(16);
        guest.kick(queue);
        TestDevice second = new TestDevice(16, 256);
        Guest restored = new Guest(second, guest);
        restored.mmio.load(guest.mmio.save());
        restored.mmio.settle();
        restored.write(Guest.QUEUE_NOTIFY, 0);
        assertThat(second.calls).isEmpty();
        assertThat(restored.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
    }

    @Test
    void theMachinesResetIsTheDriversReset() {
        guest.negotiateAll();
        guest.queue(0, 16);
        guest.driverOk();
        guest.mmio.reset();
        assertThat(device.calls).endsWith("stop");
        assertThat(guest.mmio.save()).isEqualTo(guest.mmio.resetState());
    }

    @Test
    void aStateOfAnotherDeviceIsRefusedByName() {
        VirtioMmio.State one = new Guest(new TestDevice(16)).mmio.save();
        assertThatThrownBy(() -> guest.mmio.load(one))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "virtio-mmio: the state has 1 queues: accepted is 2, as the device has");
        VirtioMmio.State large = new Guest(new TestDevice(32, 256)).mmio.save();
        assertThatThrownBy(() -> guest.mmio.load(large))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("virtio-mmio: size of queue 0 is 32: accepted is 0..16");
    }

    @Test
    void aStateWithFeaturesThatThisDeviceDoesNotOfferIsRefusedByName() {
        Guest other = new Guest(new VirtioBlk(new VirtioBlk.Spec("", 1), new TestDisk(512, false)));
        other.negotiateAll();
        Guest readOnly =
                new Guest(new VirtioBlk(new VirtioBlk.Spec("", 1), new TestDisk(512, true)));
        assertThatThrownBy(() -> readOnly.mmio.load(other.mmio.save()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "virtio-mmio: driverFeatures is 0x130006e46: accepted are bits of"
                                + " 0x130000e66, which the device offers");
    }

    @Test
    void aDamagedStateIsRefusedByName() {
        assertThatThrownBy(() -> new VirtQueue.State(40000, false, 0, 0, 0, 0, 0))
                .hasMessage("virtio queue: size is 40000: accepted is 0..32768");
        assertThatThrownBy(() -> new VirtQueue.State(16, true, 0, 0, 0, 0x1_0000, 0))
                .hasMessage("virtio queue: nextAvail is 65536: accepted is 0..65535");
        assertThatThrownBy(() -> new VirtQueue.State(16, true, 0, 0, 0, 0, -1))
                .hasMessage("virtio queue: nextUsed is -1: accepted is 0..65535");
        List<VirtQueue.State> queues =
                Collections.nCopies(2, new VirtQueue.State(16, false, 0, 0, 0, 0, 0));
        assertThatThrownBy(() -> new VirtioMmio.State(0, 0, 0, 0, 0, 256, 0, 0, queues))
                .hasMessage("virtio-mmio: status is 0x100: accepted are bits of 0xcf");
        assertThatThrownBy(() -> new VirtioMmio.State(0, 0, 0, 0, 0, 0, 4, 0, queues))
                .hasMessage("virtio-mmio: interruptStatus is 0x4: accepted are bits of 0x3");
    }
}
