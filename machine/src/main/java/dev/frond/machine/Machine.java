// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

import dev.frond.machine.clock.HostClock;
import dev.frond.machine.device.Device;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A machine: two buses, memory, time, CPUs, and devices in the order in which they are reset, saved
 * and loaded. A board wires it; then it is started, paused, resumed, reset and stopped here.
 *
 * <p>Each CPU has a thread of its own. What the guest asks for (reset, power off) is carried out by
 * one more thread, so that no CPU waits for itself.
 */
public final class Machine implements MachineControl, AutoCloseable {
    /** What puts a machine's first instructions into its memory. */
    @FunctionalInterface
    public interface Firmware {
        /**
         * Fills the memory and gives the state in which the boot CPU starts; again after each
         * reset.
         */
        CpuState start(AddressSpace memory, CpuState powerOn) throws Exception;
    }

    /**
     * What a machine does when its guest resets it, and when a CPU shuts down by a triple fault.
     */
    public enum OnReset {
        /** Starts again. */
        RESET,
        /** Ends. */
        END
    }

    private final String board;
    private final CpuModel cpuModel;
    private final GuestMemory ram;
    private final HostClock clock;
    private final AddressSpace memory = new AddressSpace("memory");
    private final AddressSpace ports = new AddressSpace("ports");
    private final Map<String, Device<?>> devices = new LinkedHashMap<>();
    private final List<Cpu> cpus = new ArrayList<>();
    private Firmware firmware = (_, powerOn) -> powerOn;
    private OnReset onReset = OnReset.RESET;
    private OnReset onTripleFault = OnReset.RESET;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();

    /** Stand still and go on are done one after the other. */
    private final Object transitions = new Object();

    /** What was asked for from outside. */
    private boolean running;

    /** How many things are being done for which everything must stand still. */
    private int holds;

    private boolean closed;
    private int active;

    /** The CPUs that cannot go on as they are. */
    private final BitSet parked = new BitSet();

    private final LinkedBlockingQueue<Runnable> requests = new LinkedBlockingQueue<>();
    private final CompletableFuture<MachineEnd> end = new CompletableFuture<>();
    private final Thread control =
            Thread.ofPlatform().daemon().name("frond-machine").unstarted(this::control);

    private record Cpu(Vcpu vcpu, Thread thread, CpuState powerOn) {}

    /** An empty machine, not started. */
    public Machine(String board, CpuModel cpuModel, GuestMemory ram, HostClock clock) {
        this.board = board;
        this.cpuModel = cpuModel;
        this.ram = ram;
        this.clock = clock;
    }

    // --- wiring: before start
    // ----------------------------------------------------------------------------

    /** The bus of physical addresses. */
    public AddressSpace memory() {
        return memory;
    }

    /** The bus of I/O ports. */
    public AddressSpace ports() {
        return ports;
    }

    /** What its CPUs are. */
    public CpuModel cpuModel() {
        return cpuModel;
    }

    /** The main memory. */
    public GuestMemory ram() {
        return ram;
    }

    /** Virtual time. */
    public HostClock clock() {
        return clock;
    }

    /** Adds a device under an id that no other has, and gives it back. */
    public <D extends Device<?>> D add(String id, D device) {
        if (devices.putIfAbsent(id, device) != null) {
            throw new IllegalArgumentException("device id " + id + " is taken");
        }
        return device;
    }

    /** Adds the next CPU. */
    public void add(Vcpu vcpu) {
        int number = cpus.size();
        Thread thread =
                Thread.ofPlatform()
                        .daemon()
                        .name("frond-cpu" + number)
                        .unstarted(() -> cpuThread(number));
        cpus.add(new Cpu(vcpu, thread, vcpu.save()));
    }

    /** Sets what fills the memory. */
    public void firmware(Firmware source) {
        firmware = source;
    }

    /** Sets what a reset does. */
    public void onReset(OnReset what) {
        onReset = what;
    }

    /** Sets what a triple fault does; a PC resets. */
    public void onTripleFault(OnReset what) {
        onTripleFault = what;
    }

    /** The device with that id. */
    public Optional<Device<?>> device(String id) {
        return Optional.ofNullable(devices.get(id));
    }

    /** The CPUs by number. */
    public List<Vcpu> cpus() {
        return cpus.stream().map(Cpu::vcpu).toList();
    }

    // --- life cycle
    // ------------------------------------------------------------------------------------------

    /** Powers on: resets all devices, lets the firmware fill the memory, and runs. */
    public void start() throws Exception {
        powerOn();
        launch();
    }

    /** Runs from {@code state} instead; the memory must already hold what it held. */
    public void start(MachineState state) {
        load(state);
        launch();
    }

    private void launch() {
        control.start();
        cpus.forEach(c -> c.thread.start());
        resume();
    }

    private void powerOn() throws Exception {
        devices.values().forEach(Machine::loadResetState);
        settle();
        for (int i = 0; i < cpus.size(); i++) {
            Cpu cpu = cpus.get(i);
            cpu.vcpu.load(i == 0 ? firmware.start(memory, cpu.powerOn) : cpu.powerOn);
        }
        lock.lock();
        try {
            parked.clear();
        } finally {
            lock.unlock();
        }
    }

    /** Lets CPUs, devices and time stand still; returns when they do. */
    public void pause() {
        standStill(() -> running = false);
    }

    /** Goes on after {@link #pause}. */
    public void resume() {
        goOn(() -> running = true);
    }

    private void standStill(Runnable wish) {
        synchronized (transitions) {
            lock.lock();
            try {
                wish.run();
                while (active > 0) {
                    cpus.forEach(c -> c.vcpu.kick());
                    changed.awaitUninterruptibly();
                }
            } finally {
                lock.unlock();
            }
            clock.pause();
            devices.values().forEach(Device::drain);
        }
    }

    private void goOn(Runnable wish) {
        synchronized (transitions) {
            lock.lock();
            try {
                wish.run();
                if (running && holds == 0 && !closed) {
                    // Time first: no CPU is to see it stand.
                    clock.resume();
                    changed.signalAll();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * Runs {@code action} while everything stands still, and goes on if nobody has paused the
     * machine, before or meanwhile.
     */
    private void hold(Runnable action) {
        standStill(() -> holds++);
        try {
            action.run();
        } finally {
            goOn(() -> holds--);
        }
    }

    @Override
    public void reset() {
        requests.add(() -> {
            if (onReset == OnReset.END) {
                finish(new MachineEnd.Reset());
            } else {
                restart();
            }
        });
    }

    @Override
    public void powerOff() {
        requests.add(() -> finish(new MachineEnd.PoweredOff()));
    }

    @Override
    public void debugExit(long value) {
        requests.add(() -> finish(new MachineEnd.DebugExit(value)));
    }

    /** Stops it from outside. */
    public void stop() {
        requests.add(() -> finish(new MachineEnd.Stopped()));
    }

    /**
     * Runs {@code action} while CPUs, devices and time stand still, in turn with what the guest
     * asks of its machine; then it goes on. The result fails as the action does, or because the
     * machine has ended before.
     */
    public CompletableFuture<Void> whileStanding(Runnable action) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        requests.add(() -> {
            try {
                hold(action);
                done.complete(null);
            } catch (RuntimeException e) {
                done.completeExceptionally(e);
            }
        });
        return CompletableFuture.anyOf(done, end).thenCompose(_ -> done.isDone() ? done : ended());
    }

    private static CompletableFuture<Void> ended() {
        return CompletableFuture.failedFuture(new IllegalStateException("the machine has ended"));
    }

    /** Completes when the machine has ended, with everything standing still and drained. */
    public CompletableFuture<MachineEnd> end() {
        return end;
    }

    private void restart() {
        hold(() -> {
            try {
                powerOn();
            } catch (Exception e) {
                finish(new MachineEnd.Failed("reset: " + e.getMessage()));
            }
        });
    }

    private void finish(MachineEnd how) {
        pause();
        end.complete(how);
    }

    private void control() {
        try {
            while (!end.isDone()) {
                requests.take().run();
            }
        } catch (InterruptedException e) {
            end.complete(new MachineEnd.Stopped());
        }
    }

    /** Ends all threads. The state can be saved before, not after. */
    @Override
    public void close() {
        standStill(() -> {
            // Whoever is about to let it go on does not any more.
            closed = true;
            changed.signalAll();
        });
        end.complete(new MachineEnd.Stopped());
        control.interrupt();
        awaitControl();
        clock.close();
    }

    /** What is being done while the machine stands still comes to its end first. */
    private void awaitControl() {
        boolean interrupted = false;
        while (control.isAlive() && !control.equals(Thread.currentThread())) {
            try {
                control.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // --- CPU threads
    // --------------------------------------------------------------------------------------------

    private boolean enter(int number) {
        lock.lock();
        try {
            while ((!running || holds > 0 || parked.get(number)) && !closed) {
                changed.awaitUninterruptibly();
            }
            if (closed) {
                return false;
            }
            active++;
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void leave() {
        lock.lock();
        try {
            active--;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void cpuThread(int number) {
        Vcpu vcpu = cpus.get(number).vcpu;
        while (enter(number)) {
            VcpuExit exit;
            try {
                exit = vcpu.run();
            } catch (RuntimeException | Error e) {
                // A fault of Frond, not of the guest: the machine stops, with what a person needs
                // to report it.
                System.getLogger("dev.frond.machine")
                        .log(System.Logger.Level.ERROR, "CPU " + number, e);
                exit = new VcpuExit.Fault("internal error of the engine: " + e);
            }
            handle(number, vcpu, exit);
            leave();
        }
    }

    private void handle(int number, Vcpu vcpu, VcpuExit exit) {
        switch (exit) {
            case VcpuExit.Kicked _ -> {}
            case VcpuExit.Shutdown _ -> {
                park(number);
                long rip = vcpu.save().rip();
                requests.add(() -> {
                    if (onTripleFault == OnReset.END) {
                        finish(new MachineEnd.TripleFault(number, rip));
                    } else {
                        restart();
                    }
                });
            }
            case VcpuExit.Debug debug ->
                    fail(
                            number,
                            "CPU "
                                    + number
                                    + " stopped for a debugger at 0x"
                                    + Long.toHexString(debug.rip())
                                    + ", and there is none");
            case VcpuExit.Fault fault -> fail(number, "CPU " + number + ": " + fault.reason());
        }
    }

    private void fail(int number, String reason) {
        park(number);
        requests.add(() -> finish(new MachineEnd.Failed(reason)));
    }

    /** CPU number {@code number} does not go on before it is loaded anew. */
    private void park(int number) {
        lock.lock();
        try {
            parked.set(number);
        } finally {
            lock.unlock();
        }
    }

    // --- state
    // --------------------------------------------------------------------------------------------------

    /** Everything but the memory of a paused machine. */
    public MachineState save() {
        List<MachineState.DeviceState> states = new ArrayList<>();
        devices.forEach((id, device) -> states.add(new MachineState.DeviceState(id, save(device))));
        return new MachineState(
                board,
                cpuModel.name(),
                cpuModel.features().stream().sorted().toList(),
                ram.size(),
                clock.now(),
                Duration.between(Instant.EPOCH, clock.wallTime()).toNanos() - clock.now(),
                cpus.stream().map(c -> c.vcpu.save()).toList(),
                states);
    }

    private static Record save(Device<?> device) {
        device.lock().lock();
        try {
            return device.save();
        } finally {
            device.lock().unlock();
        }
    }

    /** Takes on a state of a machine that was wired in the same way; must not be running. */
    private void load(MachineState state) {
        if (!state.board().equals(board)
                || !state.cpuModel().equals(cpuModel.name())
                || state.memory() != ram.size()
                || state.cpus().size() != cpus.size()
                || !state.devices().stream()
                        .map(MachineState.DeviceState::id)
                        .toList()
                        .equals(List.copyOf(devices.keySet()))) {
            throw new IllegalArgumentException(
                    "the saved machine (%s, %s, %d bytes, %d CPUs, %s) differs from this one (%s, %s, %d bytes, %d CPUs, %s)"
                            .formatted(
                                    state.board(),
                                    state.cpuModel(),
                                    state.memory(),
                                    state.cpus().size(),
                                    state.devices().stream()
                                            .map(MachineState.DeviceState::id)
                                            .toList(),
                                    board,
                                    cpuModel.name(),
                                    ram.size(),
                                    cpus.size(),
                                    devices.keySet()));
        }
        checkFeatures(state.cpuFeatures());
        clock.set(state.clock());
        for (int i = 0; i < cpus.size(); i++) {
            cpus.get(i).vcpu.load(state.cpus().get(i));
        }
        for (MachineState.DeviceState saved : state.devices()) {
            Device<?> device = devices.get(saved.id());
            if (device != null) {
                load(device, saved.state());
            }
        }
        settle();
    }

    /** A guest must find the features that it was told of; older states do not tell. */
    private void checkFeatures(List<CpuFeature> saved) {
        Set<CpuFeature> different = EnumSet.noneOf(CpuFeature.class);
        different.addAll(cpuModel.features());
        for (CpuFeature feature : saved) {
            if (!different.remove(feature)) {
                different.add(feature);
            }
        }
        if (!saved.isEmpty() && !different.isEmpty()) {
            throw new IllegalArgumentException(
                    "the saved machine's CPUs (%s) differ from those of this one in %s"
                            .formatted(cpuModel.name(), different));
        }
    }

    private void settle() {
        for (Device<?> device : devices.values()) {
            device.lock().lock();
            try {
                device.settle();
            } finally {
                device.lock().unlock();
            }
        }
    }

    private static void loadResetState(Device<?> device) {
        load(device, device.resetState());
    }

    private static <S extends Record> void load(Device<S> device, Record state) {
        device.lock().lock();
        try {
            @SuppressWarnings("unchecked")
            Class<S> type = (Class<S>) device.resetState().getClass();
            device.load(type.cast(state));
        } finally {
            device.lock().unlock();
        }
    }

    /** The reset state of the device with that id: what its saved state is read by. */
    public Optional<Record> resetState(String id) {
        return device(id).map(Device::resetState);
    }
}
