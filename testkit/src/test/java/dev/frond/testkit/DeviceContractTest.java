// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.clock.Clock;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import org.junit.jupiter.api.Test;

import java.util.concurrent.locks.ReentrantLock;

/** The contract fails for each way of being broken, and only then. */
class DeviceContractTest {
    /** How the device under test breaks a law. */
    private enum Fault {
        NONE,
        SAVES_WRONG,
        RESETS_HALF,
        LOAD_DRIVES,
        LOAD_ARMS,
        FORGETS_DEADLINE,
        THROWS,
        SETTLES_NOT
    }

    public record State(int value, int hidden, long deadline) {
        static final State RESET = new State(3, 0, -1);

        public State {
            if (value < 0 || value > 255 || hidden < 0 || hidden > 255) {
                throw new IllegalArgumentException("accepted are 0..255");
            }
        }
    }

    /** A register that raises its wire a microsecond after a write, and counts its reads. */
    private static final class Toy implements Device<State>, IoHandler {
        private final ReentrantLock lock = new ReentrantLock();
        private final Fault fault;
        private final Clock clock;
        private final IrqLine line;
        private final Clock.Timer timer;
        private int value = 3;
        private int hidden;
        private long deadline = -1;

        Toy(Fault fault, Clock clock, IrqLine line) {
            this.fault = fault;
            this.clock = clock;
            this.line = line;
            timer =
                    clock.timer(() -> {
                        lock.lock();
                        try {
                            line.set(deadline >= 0);
                        } finally {
                            lock.unlock();
                        }
                    });
        }

        @Override
        public long read(long offset, int size) {
            hidden = (hidden + 1) & 0xFF;
            return offset == 0 ? value : hidden;
        }

        @Override
        public void write(long offset, int size, long written) {
            if (fault == Fault.THROWS && written == 0x42) {
                throw new IllegalStateException("boom");
            }
            value = (int) written & 0xFF;
            deadline = clock.now() + 1000;
            line.set(false);
            timer.arm(deadline);
        }

        @Override
        public State resetState() {
            return State.RESET;
        }

        @Override
        public State save() {
            return new State(
                    value,
                    fault == Fault.SAVES_WRONG ? 0 : hidden,
                    fault == Fault.FORGETS_DEADLINE ? -1 : deadline);
        }

        @Override
        public void load(State state) {
            value = state.value();
            hidden =
                    fault == Fault.RESETS_HALF && state.equals(State.RESET)
                            ? hidden
                            : state.hidden();
            deadline = state.deadline();
            if (fault == Fault.LOAD_DRIVES) {
                line.set(deadline >= 0);
            }
            if (fault == Fault.LOAD_ARMS) {
                timer.cancel();
            }
        }

        @Override
        public void settle() {
            if (fault == Fault.SETTLES_NOT) {
                return;
            }
            line.set(deadline >= 0 && deadline <= clock.now());
            if (deadline > clock.now()) {
                timer.arm(deadline);
            } else {
                timer.cancel();
            }
        }

        @Override
        public ReentrantLock lock() {
            return lock;
        }
    }

    /** The toy under contract; without a fault it passes as a test of its own. */
    static class ToyTest extends DeviceContract<State> {
        private Fault fault = Fault.NONE;

        @Override
        protected Rig<State> newRig() {
            ManualClock clock = new ManualClock();
            RecordingLine line = new RecordingLine();
            Toy toy = new Toy(fault, clock, line);
            return new Rig<>(toy, clock, line)
                    .region(new Region.Io(toy, 2, AccessWidths.BYTE, toy.lock()))
                    .favourites(0x42);
        }
    }

    private static DeviceContract<State> contract(Fault fault) {
        ToyTest contract = new ToyTest();
        contract.fault = fault;
        return contract;
    }

    private interface Law {
        void check(DeviceContract<State> contract) throws Exception;
    }

    private static void assertHolds(Law law) {
        assertThatCode(() -> law.check(contract(Fault.NONE))).doesNotThrowAnyException();
    }

    private static void assertBreaks(Fault fault, Law law) {
        assertHolds(law);
        assertThatThrownBy(() -> law.check(contract(fault)))
                .as("%s", fault)
                .isInstanceOf(AssertionError.class);
    }

    @Test
    void aNewDeviceAndItsCodec() {
        assertHolds(DeviceContract::aNewDeviceIsInItsResetState);
        assertHolds(DeviceContract::everyStateSurvivesTheCodec);
    }

    @Test
    void resetMustGiveTheResetState() {
        assertBreaks(Fault.RESETS_HALF, DeviceContract::resetGivesTheResetState);
    }

    @Test
    void saveMustGiveWhatWasLoaded() {
        assertBreaks(Fault.SAVES_WRONG, DeviceContract::loadThenSaveIsTheIdentity);
    }

    @Test
    void loadMustLeaveTheWorldAlone() {
        assertBreaks(Fault.LOAD_DRIVES, DeviceContract::loadDrivesNoWireAndArmsNoTimer);
        assertBreaks(Fault.LOAD_ARMS, DeviceContract::loadDrivesNoWireAndArmsNoTimer);
    }

    @Test
    void noAccessMayThrow() {
        assertBreaks(Fault.THROWS, DeviceContract::noGuestMakesItThrow);
        assertBreaks(Fault.THROWS, DeviceContract::noStateMakesItThrow);
    }

    @Test
    void aRestoredDeviceMustNotDiffer() {
        assertBreaks(
                Fault.FORGETS_DEADLINE, DeviceContract::aRestoredDeviceGoesOnAsTheOriginalWould);
        assertBreaks(Fault.SAVES_WRONG, DeviceContract::aRestoredDeviceGoesOnAsTheOriginalWould);
        assertBreaks(Fault.SETTLES_NOT, DeviceContract::aRestoredDeviceGoesOnAsTheOriginalWould);
    }
}
