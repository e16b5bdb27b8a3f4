// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import dev.frond.block.ImageException;
import dev.frond.block.RawImage;
import dev.frond.boards.Microvm;
import dev.frond.firmware.BootArguments;
import dev.frond.firmware.BootException;
import dev.frond.firmware.KernelImage;
import dev.frond.host.HostException;
import dev.frond.host.HostMemory;
import dev.frond.machine.Machine;
import dev.frond.machine.MachineEnd;
import dev.frond.machine.MachineState;
import dev.frond.machine.backend.CharBackend;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.vcpu.Vcpu;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A virtual machine with everything of the host that it holds: memory, disk images, kernel, engine.
 * Closing it gives all of that back.
 */
public final class Vm implements AutoCloseable {
    /** Something to close, last opened first. */
    @FunctionalInterface
    private interface Release {
        void release() throws Exception;
    }

    private final VmSpec spec;
    private final Deque<Release> releases = new ArrayDeque<>();
    private final Machine machine;
    private final HostMemory memory;
    private final EngineSwitch engine;
    private final String whyEngine;
    private boolean closed;

    private Vm(VmSpec spec, CharBackend serial, long clock, Instant wallAtZero) throws VmException {
        this.spec = spec;
        try {
            KernelImage kernel = KernelImage.open(spec.kernel());
            releases.push(kernel::close);
            List<BootArguments.Module> modules = new ArrayList<>();
            if (spec.initrd().isPresent()) {
                modules.addAll(
                        BootArguments.openModules(
                                spec.initrd().get(),
                                kernel instanceof dev.frond.firmware.Multiboot1));
                modules.forEach(module -> releases.push(module.file()::close));
            }
            List<Microvm.Disk> disks = new ArrayList<>();
            for (VmSpec.Disk disk : spec.disks()) {
                RawImage image = RawImage.open(disk.file(), disk.readOnly());
                releases.push(image::close);
                disks.add(new Microvm.Disk(image, "disk" + disks.size()));
            }
            memory = memory(spec.memory());
            releases.push(memory::close);
            HostClock time = new HostClock(clock, wallAtZero, Engines.slowness(spec.engine()));
            releases.push(time::close);
            Engines.Opened opened = Engines.open(spec.engine(), spec.irqChip(), spec.counted());
            engine = new EngineSwitch(opened.engine());
            whyEngine = opened.why();
            releases.push(engine::close);
            machine =
                    Microvm.build(
                            new Microvm.Spec(
                                    spec.cpus(), spec.cpu(), serial, disks, spec.debugExit()),
                            engine,
                            new GuestMemory(memory.segment()),
                            time,
                            kernel,
                            new BootArguments(spec.commandLine(), modules));
            releases.push(machine::close);
            machine.onReset(spec.reboot() ? Machine.OnReset.RESET : Machine.OnReset.END);
            // Nobody means it: a guest that crashes while it boots would do so for ever.
            machine.onTripleFault(Machine.OnReset.END);
        } catch (BootException | ImageException e) {
            throw abandoned(
                    new VmException(VmException.Kind.INPUT, String.valueOf(e.getMessage()), e));
        } catch (HostException e) {
            throw abandoned(
                    new VmException(
                            VmException.Kind.HOST,
                            "engine " + spec.engine() + ": " + e.getMessage(),
                            e));
        } catch (IllegalArgumentException e) {
            throw abandoned(
                    new VmException(VmException.Kind.SPEC, String.valueOf(e.getMessage()), e));
        }
    }

    private HostMemory memory(long size) throws VmException {
        try {
            return HostMemory.anonymous(size);
        } catch (HostException e) {
            throw abandoned(
                    new VmException(
                            VmException.Kind.HOST,
                            "memory of " + size + " bytes: " + e.getMessage(),
                            e));
        }
    }

    /** Builds the machine and powers it on. */
    public static Vm start(VmSpec spec, CharBackend serial) throws VmException {
        Vm vm = new Vm(spec, serial, 0, Instant.now());
        try {
            vm.machine.start();
        } catch (BootException e) {
            throw vm.abandoned(
                    new VmException(VmException.Kind.INPUT, String.valueOf(e.getMessage()), e));
        } catch (Exception e) {
            throw vm.abandoned(
                    new VmException(VmException.Kind.HOST, "start: " + e.getMessage(), e));
        }
        return vm;
    }

    /** Builds the machine and lets it go on from a snapshot that {@link #save} wrote. */
    public static Vm restore(VmSpec spec, CharBackend serial, Path snapshot) throws VmException {
        try (Snapshot.Reader reader = Snapshot.open(snapshot)) {
            Instant wall = Instant.EPOCH.plusNanos(reader.header().wallClock());
            Vm vm = new Vm(spec, serial, reader.header().clock(), wall);
            try {
                MachineState state = reader.state(vm.machine::resetState);
                reader.memory(vm.machine.ram());
                vm.machine.start(state);
                return vm;
            } catch (IOException | IllegalArgumentException e) {
                throw vm.abandoned(
                        new VmException(
                                VmException.Kind.INPUT, snapshot + ": " + e.getMessage(), e));
            }
        } catch (IOException e) {
            throw new VmException(VmException.Kind.INPUT, snapshot + ": " + reason(e), e);
        }
    }

    private static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            case FileSystemException f when f.getReason() != null -> f.getReason();
            default -> String.valueOf(e.getMessage());
        };
    }

    /**
     * Pauses the machine, writes its state and memory to {@code snapshot}, and leaves it paused.
     */
    public void save(Path snapshot) throws VmException {
        machine.pause();
        try {
            Snapshot.write(snapshot, machine.save(), machine.ram());
        } catch (IOException e) {
            throw new VmException(VmException.Kind.HOST, snapshot + ": " + reason(e), e);
        }
    }

    /**
     * Hands the running machine over to another engine. It stands still meanwhile; if the engine
     * cannot take it, it goes on as before.
     *
     * @param name as in {@link VmSpec#engine}
     */
    public void handOver(String name) throws VmException {
        handOver(name, spec.irqChip());
    }

    /** The same, with the interrupt controllers of the kernel that {@code irqChip} says. */
    public void handOver(String name, VmSpec.IrqChip irqChip) throws VmException {
        try {
            machine.whileStanding(() ->
                            engine.handOver(Engines.open(name, irqChip, spec.counted()).engine()))
                    .join();
        } catch (CompletionException e) {
            switch (e.getCause()) {
                case HostException host ->
                        throw new VmException(
                                VmException.Kind.HOST,
                                "engine " + name + ": " + host.getMessage(),
                                e);
                case UnsupportedOperationException cannot ->
                        throw new VmException(
                                VmException.Kind.SPEC,
                                "engine " + name + ": " + cannot.getMessage(),
                                e);
                case IllegalArgumentException refused ->
                        throw new VmException(
                                VmException.Kind.SPEC, String.valueOf(refused.getMessage()), e);
                case IllegalStateException ended ->
                        throw new VmException(
                                VmException.Kind.SPEC, String.valueOf(ended.getMessage()), e);
                case null, default -> throw e;
            }
        }
    }

    /** The name of the engine that executes the guest. */
    public String engine() {
        return engine.name();
    }

    /** Why {@code auto} chose the engine that it started with; empty if the user did. */
    public String whyEngine() {
        return whyEngine;
    }

    /** The machine. */
    public Machine machine() {
        return machine;
    }

    /** What it was built from. */
    public VmSpec spec() {
        return spec;
    }

    /** The bytes of guest memory that the host holds in RAM. */
    public long residentMemory() {
        return memory.residentBytes();
    }

    /** Completes when the machine has ended by itself. */
    public CompletableFuture<MachineEnd> end() {
        return machine.end();
    }

    /** The CPUs, for their counters. */
    public List<Vcpu> cpus() {
        return machine.cpus();
    }

    /**
     * Stops the machine, makes what it wrote durable, and gives everything back.
     *
     * @throws VmException if something could not be made durable
     */
    @Override
    public synchronized void close() throws VmException {
        if (closed) {
            return;
        }
        closed = true;
        VmException failure = null;
        while (!releases.isEmpty()) {
            try {
                releases.pop().release();
            } catch (Exception e) {
                if (failure == null) {
                    failure =
                            new VmException(
                                    VmException.Kind.HOST, String.valueOf(e.getMessage()), e);
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private VmException abandoned(VmException why) {
        try {
            close();
        } catch (VmException e) {
            why.addSuppressed(e);
        }
        return why;
    }
}
