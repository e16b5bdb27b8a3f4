// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuStats;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

class MachineTest {
    private static final int RESETS = 2000;

    @AutoClose
    private final Machine machine =
            new Machine(
                    "board",
                    CpuModel.X86_64_V2,
                    new GuestMemory(Arena.ofAuto().allocate(4096, 4096)),
                    new HostClock(0, Instant.EPOCH));

    private abstract static class TestCpu implements Vcpu {
        @Override
        public void kick() {}

        @Override
        public void interruptChanged() {}

        @Override
        public void nmi() {}

        @Override
        public void smi() {}

        @Override
        public void init() {}

        @Override
        public void startup(int vector) {}

        @Override
        public CpuState save() {
            return CpuState.powerOn(0);
        }

        @Override
        public void load(CpuState state) {}

        @Override
        public VcpuStats stats() {
            return new VcpuStats(0, Map.of());
        }
    }

    /** Shuts down as soon as it runs, again and again. */
    private static final class ShutDownCpu extends TestCpu {
        private final AtomicInteger runs = new AtomicInteger();
        private final CountDownLatch enough = new CountDownLatch(RESETS);

        @Override
        public VcpuExit run() {
            runs.incrementAndGet();
            enough.countDown();
            return VcpuExit.SHUTDOWN;
        }
    }

    /** Runs until it is kicked. */
    private static final class BusyCpu extends TestCpu {
        private final Semaphore kicks = new Semaphore(0);
        private volatile boolean inside;

        @Override
        public VcpuExit run() {
            inside = true;
            kicks.acquireUninterruptibly();
            kicks.drainPermits();
            inside = false;
            return VcpuExit.KICKED;
        }

        @Override
        public void kick() {
            kicks.release();
        }
    }

    private void await(BusyCpu cpu) throws InterruptedException {
        for (int i = 0; !cpu.inside; i++) {
            assertThat(i).as("milliseconds without the CPU running").isLessThan(20_000);
            Thread.sleep(1);
        }
    }

    @Test
    void aMachineThatWasPausedMeanwhileDoesNotGoOn() throws Exception {
        BusyCpu cpu = new BusyCpu();
        machine.add(cpu);
        machine.start();
        await(cpu);
        machine.whileStanding(machine::pause).join();
        Thread.sleep(20);
        assertThat(cpu.inside).isFalse();
        machine.whileStanding(machine::resume).join();
        await(cpu);
        machine.pause();
        machine.reset();
        machine.whileStanding(() -> {}).join();
        Thread.sleep(20);
        assertThat(cpu.inside).isFalse();
    }

    @Test
    void aClosedMachineDoesNotGoOnWhateverWasAskedOfItBefore() throws Exception {
        for (int i = 0; i < 300; i++) {
            BusyCpu cpu = new BusyCpu();
            Machine closed =
                    new Machine(
                            "board",
                            CpuModel.X86_64_V2,
                            new GuestMemory(Arena.ofAuto().allocate(4096, 4096)),
                            new HostClock(0, Instant.EPOCH));
            closed.add(cpu);
            closed.start();
            CompletableFuture<Void> began = new CompletableFuture<>();
            CompletableFuture<Void> _ = closed.whileStanding(() -> began.complete(null));
            began.join();
            closed.close();
            assertThat(cpu.inside).as("machine " + i).isFalse();
            if (i % 20 == 0) {
                Thread.sleep(5);
                assertThat(cpu.inside).as("machine " + i + ", later").isFalse();
            }
        }
    }

    @Test
    void aCpuThatShutsDownIsRestartedEachTime() throws Exception {
        ShutDownCpu cpu = new ShutDownCpu();
        machine.add(cpu);
        machine.onTripleFault(Machine.OnReset.RESET);
        machine.start();
        assertThat(cpu.enough.await(60, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void aStateOfCpusThatOfferedOtherThingsIsRefused() {
        MachineState state = machine.save();
        assertThat(state.cpuModel()).isEqualTo("x86-64-v2");
        assertThat(state.cpuFeatures())
                .containsExactlyInAnyOrderElementsOf(CpuModel.X86_64_V2.features());
        List<CpuFeature> others = new ArrayList<>(state.cpuFeatures());
        others.remove(CpuFeature.SSE3);
        others.add(CpuFeature.AVX2);
        MachineState other =
                new MachineState(
                        state.board(),
                        state.cpuModel(),
                        others,
                        state.memory(),
                        state.clock(),
                        state.wallClock(),
                        state.cpus(),
                        state.devices());
        assertThatThrownBy(() -> machine.start(other))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "the saved machine's CPUs (x86-64-v2) differ from those of this one in"
                                + " [SSE3, AVX2]");
    }

    @Test
    void aCpuThatShutDownDoesNotRunAgainWhereThatIsTheEnd() throws Exception {
        ShutDownCpu cpu = new ShutDownCpu();
        machine.add(cpu);
        machine.onTripleFault(Machine.OnReset.END);
        machine.start();
        assertThat(machine.end().get(60, TimeUnit.SECONDS))
                .isEqualTo(new MachineEnd.TripleFault(0, CpuState.powerOn(0).rip()));
        machine.resume();
        machine.pause();
        assertThat(cpu.runs).hasValue(1);
    }
}
