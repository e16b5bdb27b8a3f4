// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.host.HostException;
import dev.frond.host.KernelCalls;
import dev.frond.kvm.Kvm.Capability;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.EngineKept;
import dev.frond.machine.vcpu.Vcpu;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * The engine that has the processor execute guest code, for one machine: a virtual machine of Linux
 * KVM without interrupt controllers, which are the machine's own. {@link KvmSupport} tells whether
 * this host can.
 */
public final class KvmEngine implements Accelerator {
    // Where KVM keeps what processors of Intel without unrestricted guests need, below the local
    // APICs: a page table and a task-state segment of three pages.
    private static final long IDENTITY_MAP = 0xFEFF_C000L;
    private static final long TSS = IDENTITY_MAP + 0x1000;

    /** What local APICs in the kernel take beside what every machine takes. */
    private static final List<Capability> SPLIT =
            List.of(
                    Capability.KVM_CAP_SPLIT_IRQCHIP,
                    Capability.KVM_CAP_IRQ_ROUTING,
                    Capability.KVM_CAP_SIGNAL_MSI,
                    Capability.KVM_CAP_MP_STATE);

    /** What all interrupt controllers in the kernel take. */
    private static final List<Capability> ON =
            List.of(
                    Capability.KVM_CAP_IRQCHIP,
                    Capability.KVM_CAP_PIT2,
                    Capability.KVM_CAP_PIT_STATE2,
                    Capability.KVM_CAP_IRQ_ROUTING,
                    Capability.KVM_CAP_SIGNAL_MSI,
                    Capability.KVM_CAP_MP_STATE);

    /**
     * What the host's KVM has.
     *
     * @param mmapSize the bytes of kvm_run and what follows it
     */
    record Host(Map<Capability, Integer> capabilities, KvmCpuid cpuid, long mmapSize) {
        boolean has(Capability capability) {
            return capabilities.getOrDefault(capability, 0) != 0;
        }
    }

    /** Which interrupt controllers are the kernel's. */
    public enum IrqChip {
        /** None: all are the machine's. */
        OFF,
        /** The local APICs; the 8259 pair, the I/O APIC and the timer are the machine's. */
        SPLIT,
        /** All, and the timer of the board: the 8259 pair, the I/O APIC and the 8254. */
        ON
    }

    /** How KVM tells which pages the guest has stored to. */
    public enum DirtyTracking {
        /** By a bit for each page of a slot. */
        LOG,
        /** By an entry for each such page, in a ring of each CPU. */
        RING
    }

    /** What the CPUs of a machine share; of their counters what counts in a millisecond. */
    record Shared(
            Host host,
            Gate gate,
            DoorbellWires doorbells,
            Optional<KvmMessages> messages,
            Optional<KvmChips> chips,
            Optional<KvmClock> clock,
            BooleanSupplier emptyRings,
            int tscKhz,
            GuestTsc.Agreement tscAgreement) {}

    private final ControlFile kvm;
    private final ControlFile vm;
    private final Host host;
    private final Set<CpuFeature> features;
    private final boolean ownTsc;
    private final GuestTsc.Agreement tscAgreement = new GuestTsc.Agreement();
    private final Gate gate = new Gate();
    private final List<KvmVcpu> vcpus = new CopyOnWriteArrayList<>();
    private final DoorbellWires doorbells;
    private final Optional<KvmMessages> messages;
    private final Optional<KvmChips> chips;
    private final Optional<KvmClock> clock;
    private final Optional<DirtyRings> rings;
    private final List<EngineKept> kept = new ArrayList<>();

    /** What lets go of the machine's memory. */
    private final List<Runnable> endings = new ArrayList<>();

    private @Nullable AddressSpace memory;
    private @Nullable MemorySlots slots;

    /**
     * A new virtual machine.
     *
     * @throws HostException if this host cannot, or not any more, in one line that says why
     */
    public KvmEngine(IrqChip irqChip) {
        this(irqChip, DirtyTracking.LOG);
    }

    /** The same, with a choice of how it is told what the guest stores to. */
    public KvmEngine(IrqChip irqChip, DirtyTracking tracking) {
        this(KernelCalls.HOST, Path.of("/dev/kvm"), irqChip, tracking);
    }

    KvmEngine(KernelCalls kernel, Path device, IrqChip irqChip, DirtyTracking tracking) {
        kvm = KvmSupport.open(kernel, device);
        ControlFile made = null;
        try {
            Map<Capability, Integer> capabilities = new EnumMap<>(Capability.class);
            for (Capability capability : Capability.values()) {
                capabilities.put(capability, KvmSupport.value(kvm, capability));
            }
            host = new Host(capabilities, new KvmCpuid(kvm), kvm.call(Kvm.GET_VCPU_MMAP_SIZE, 0));
            made = kvm.create("KVM machine", Kvm.CREATE_VM, 0);
            vm = made;
            prepare(irqChip, tracking);
            rings =
                    tracking == DirtyTracking.RING
                            ? Optional.of(new DirtyRings(vm))
                            : Optional.empty();
            chips = irqChip == IrqChip.ON ? Optional.of(new KvmChips(vm)) : Optional.empty();
            messages =
                    irqChip == IrqChip.OFF
                            ? Optional.empty()
                            : Optional.of(new KvmMessages(vm, chips.isEmpty()));
            boolean hasClock = host.has(Capability.KVM_CAP_ADJUST_CLOCK);
            clock = hasClock ? Optional.of(new KvmClock(vm)) : Optional.empty();
            doorbells = new DoorbellWires(vm);
            doorbells.onFailure(() -> vcpus.forEach(KvmVcpu::kick));
            ownTsc = host.has(Capability.KVM_CAP_TSC_CONTROL);
            features = host.cpuid.features(ownTsc, hasClock, irqChip != IrqChip.OFF);
        } catch (HostException e) {
            if (made != null) {
                made.close();
            }
            kvm.close();
            throw Failure.advised(e);
        }
    }

    /** What must be said before there is a CPU. */
    private void prepare(IrqChip irqChip, DirtyTracking tracking) {
        try (Arena arena = Arena.ofConfined()) {
            if (host.has(Capability.KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
                vm.call(Kvm.SET_IDENTITY_MAP_ADDR, arena.allocateFrom(JAVA_LONG, IDENTITY_MAP));
            }
            if (host.has(Capability.KVM_CAP_SET_TSS_ADDR)) {
                vm.call(Kvm.SET_TSS_ADDR, TSS);
            }
            enable(
                    Capability.KVM_CAP_X86_USER_SPACE_MSR,
                    Kvm.MSR_EXIT_REASON_INVAL | Kvm.MSR_EXIT_REASON_FILTER);
            if (host.has(Capability.KVM_CAP_EXCEPTION_PAYLOAD)) {
                enable(Capability.KVM_CAP_EXCEPTION_PAYLOAD, 1);
            }
            if (tracking == DirtyTracking.RING) {
                KvmSupport.require(kvm, Capability.KVM_CAP_DIRTY_LOG_RING);
                enable(Capability.KVM_CAP_DIRTY_LOG_RING, DirtyRings.size());
            }
            if (irqChip == IrqChip.SPLIT) {
                for (Capability capability : SPLIT) {
                    KvmSupport.require(kvm, capability);
                }
                enable(Capability.KVM_CAP_SPLIT_IRQCHIP, KvmMessages.INPUTS);
            }
            if (irqChip == IrqChip.ON) {
                for (Capability capability : ON) {
                    KvmSupport.require(kvm, capability);
                }
            }
        }
    }

    private void enable(Capability capability, long argument) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment enable = arena.allocate(Structs.ENABLE_CAP);
            enable.set(JAVA_INT, Structs.at(Structs.ENABLE_CAP, "cap"), capability.number());
            enable.set(JAVA_LONG, Structs.at(Structs.ENABLE_CAP, "args"), argument);
            int result = vm.tryCall(Kvm.ENABLE_CAP, enable.address());
            if (result < 0) {
                throw new HostException(Kvm.ENABLE_CAP.name(), capability.toString(), -result);
            }
        }
    }

    @Override
    public String name() {
        return "kvm";
    }

    @Override
    public Set<CpuFeature> features() {
        return features;
    }

    @Override
    public synchronized Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring) {
        int most = host.capabilities.getOrDefault(Capability.KVM_CAP_MAX_VCPUS, 0);
        if (most != 0 && cpuid.cpus() > most) {
            throw new IllegalArgumentException(
                    "engine kvm: " + cpuid.cpus() + " CPUs; this host's KVM takes up to " + most);
        }
        try {
            if (vcpus.isEmpty()) {
                MsrFilter.set(vm, cpuid, messages.isPresent());
            }
            follow(wiring.memory());
            return create(id, cpuid, wiring);
        } catch (HostException e) {
            throw Failure.advised(e);
        }
    }

    private Vcpu create(int id, Cpuid cpuid, Wiring wiring) {
        ControlFile file = vm.create("KVM CPU " + id, Kvm.CREATE_VCPU, id);
        try {
            int khz = setTscFrequency(file);
            KvmCpuid.set(file, cpuid, khz);
            try (Arena arena = Arena.ofConfined()) {
                if (host.has(Capability.KVM_CAP_MCE)) {
                    file.call(Kvm.X86_SETUP_MCE, arena.allocateFrom(JAVA_LONG, KvmMsrs.BANKS));
                }
            }
            Shared shared =
                    new Shared(
                            host,
                            gate,
                            doorbells,
                            messages,
                            chips,
                            clock,
                            this::emptyRings,
                            khz,
                            tscAgreement);
            rings.ifPresent(all -> all.add(file));
            KvmVcpu vcpu = new KvmVcpu(id, cpuid, wiring, file, shared);
            vcpus.add(vcpu);
            gate.add(vcpu);
            return vcpu;
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** A CPU cannot go on before its ring has room; whether there was anything in one. */
    private boolean emptyRings() {
        MemorySlots all = slots;
        return all != null && all.collect();
    }

    private int setTscFrequency(ControlFile vcpu) {
        if (ownTsc) {
            vcpu.call(Kvm.SET_TSC_KHZ, Cpuid.TSC_HZ / 1000);
        }
        return vcpu.call(Kvm.GET_TSC_KHZ, 0);
    }

    private void follow(AddressSpace space) {
        if (memory == null) {
            memory = space;
            MemorySlots made =
                    new MemorySlots(
                            vm,
                            gate,
                            host.capabilities.getOrDefault(Capability.KVM_CAP_NR_MEMSLOTS, 0),
                            rings,
                            space.view());
            slots = made;
            follow(space, made::follow);
            if (host.has(Capability.KVM_CAP_IOEVENTFD)) {
                follow(space, doorbells::follow);
            }
        } else if (memory != space) {
            throw new IllegalArgumentException(
                    "a KVM machine has one memory: "
                            + memory.name()
                            + " and "
                            + space.name()
                            + " are two");
        }
    }

    private void follow(AddressSpace space, Consumer<FlatView> follower) {
        endings.add(() -> space.unfollow(follower));
        space.follow(follower);
    }

    @Override
    public synchronized void chips(List<EngineKept> board) {
        if (chips.isPresent()) {
            giveBackChips(chips.get());
            for (EngineKept chip : board) {
                chip.entrust(chips.get());
                kept.add(chip);
            }
        }
    }

    private void giveBackChips(KvmChips kernel) {
        kept.forEach(chip -> chip.withdraw(kernel));
        kept.clear();
    }

    /** Gives everything back to the host; no CPU may be running. */
    @Override
    public synchronized void close() {
        endings.forEach(Runnable::run);
        endings.clear();
        if (slots != null) {
            slots.close();
        }
        doorbells.close();
        // What waits in the chips goes to the local APICs before these go.
        chips.ifPresent(this::giveBackChips);
        vcpus.forEach(KvmVcpu::withdraw);
        vcpus.forEach(KvmVcpu::close);
        vcpus.clear();
        chips.ifPresent(KvmChips::close);
        messages.ifPresent(KvmMessages::close);
        clock.ifPresent(KvmClock::close);
        vm.close();
        kvm.close();
    }
}
