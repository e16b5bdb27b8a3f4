// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.host.HostException;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState.Msr;
import dev.frond.machine.vcpu.Cpuid;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;

/** The model-specific registers of one KVM CPU (SDM Vol. 4). */
final class KvmMsrs {
    static final int IA32_TSC = 0x10;
    static final int IA32_TSC_ADJUST = 0x3B;
    static final int IA32_SMBASE = 0x9E;

    /** Machine-check banks, as many as the interpreter has. */
    static final int BANKS = 4;

    private static final int IA32_MC0_CTL = 0x400;

    // The paravirtual devices (Linux, Documentation/virt/kvm/x86/msr.rst).
    static final int MSR_KVM_WALL_CLOCK = 0x11;
    static final int MSR_KVM_SYSTEM_TIME = 0x12;
    static final int MSR_KVM_WALL_CLOCK_NEW = 0x4B56_4D00;
    static final int MSR_KVM_SYSTEM_TIME_NEW = 0x4B56_4D01;
    static final int MSR_KVM_STEAL_TIME = 0x4B56_4D03;
    static final int MSR_KVM_PV_EOI_EN = 0x4B56_4D04;
    static final int MSR_KVM_POLL_CONTROL = 0x4B56_4D05;

    // Of processors of AMD.
    static final int SYSCFG = 0xC001_0010;
    static final int HWCR = 0xC001_0015;
    static final int NB_CFG = 0xC001_001F;
    static final int DE_CFG = 0xC001_1029;

    /** The registers of which KVM may have less than a processor, and how they power on. */
    private static final Map<Integer, Long> AMD =
            Map.of(SYSCFG, 0L, HWCR, 1L << 24, NB_CFG, 0L, DE_CFG, 2L);

    /** What a register was to hold that KVM does not take, and what it has instead. */
    private record Instead(long wanted, OptionalLong actual) {}

    /** The registers that a CPU's state holds, with their values at power-on. */
    private final Map<Integer, Long> held;

    private final Map<Integer, Instead> instead = new HashMap<>();

    private static final long NMSRS = Structs.at(Structs.MSRS, "nmsrs");
    private static final long ENTRIES = Structs.MSRS.byteSize();
    private static final long ENTRY = Structs.MSR_ENTRY.byteSize();
    private static final long INDEX = Structs.at(Structs.MSR_ENTRY, "index");
    private static final long DATA = Structs.at(Structs.MSR_ENTRY, "data");

    private final ControlFile vcpu;
    private final MemorySegment one;
    private final MemorySegment all;
    private final ControlFile.Repeated getOne;

    /**
     * The registers of a CPU of {@code cpuid}.
     *
     * @param kernelApic whether the local APIC is KVM's, and its registers with it
     */
    KvmMsrs(ControlFile vcpu, Cpuid cpuid, boolean kernelApic, Arena arena) {
        this.vcpu = vcpu;
        held = held(cpuid, kernelApic);
        one = arena.allocate(ENTRIES + ENTRY, 8);
        all = arena.allocate(ENTRIES + held.size() * ENTRY, 8);
        getOne = vcpu.repeated(Kvm.GET_MSRS, one.address());
    }

    private static Map<Integer, Long> held(Cpuid cpuid, boolean kernelApic) {
        Map<Integer, Long> held = new TreeMap<>(Integer::compareUnsigned);
        if (cpuid.has(CpuFeature.TSC_ADJUST)) {
            held.put(IA32_TSC_ADJUST, 0L);
        }
        // IA32_BIOS_SIGN_ID
        held.put(0x8B, 0L);
        // IA32_SYSENTER_CS, ESP, EIP; IA32_MCG_STATUS
        held.put(0x174, 0L);
        held.put(0x175, 0L);
        held.put(0x176, 0L);
        held.put(0x17A, 0L);
        // IA32_MISC_ENABLE: fast strings; no branch trace storage, no event sampling
        held.put(0x1A0, 0x1801L);
        // IA32_DEBUGCTL
        held.put(0x1D9, 0L);
        // IA32_MTRR_PHYSBASE0 to PHYSMASK7, the fixed ranges, IA32_PAT, IA32_MTRR_DEF_TYPE
        for (int index = 0x200; index < 0x210; index++) {
            held.put(index, 0L);
        }
        held.put(0x250, 0L);
        held.put(0x258, 0L);
        held.put(0x259, 0L);
        for (int index = 0x268; index < 0x270; index++) {
            held.put(index, 0L);
        }
        held.put(0x277, 0x0007_0406_0007_0406L);
        held.put(0x2FF, 0L);
        for (int i = 0; i < 4 * BANKS; i++) {
            held.put(IA32_MC0_CTL + i, 0L);
        }
        // IA32_STAR, LSTAR, CSTAR, FMASK, KERNEL_GS_BASE, TSC_AUX
        held.put(0xC000_0081, 0L);
        held.put(0xC000_0082, 0L);
        held.put(0xC000_0083, 0L);
        held.put(0xC000_0084, 0L);
        held.put(0xC000_0102, 0L);
        held.put(0xC000_0103, 0L);
        if (cpuid.has(CpuFeature.KVM_CLOCKSOURCE2)) {
            held.put(MSR_KVM_WALL_CLOCK_NEW, 0L);
            held.put(MSR_KVM_SYSTEM_TIME_NEW, 0L);
        } else if (cpuid.has(CpuFeature.KVM_CLOCKSOURCE)) {
            held.put(MSR_KVM_WALL_CLOCK, 0L);
            held.put(MSR_KVM_SYSTEM_TIME, 0L);
        }
        if (cpuid.has(CpuFeature.KVM_STEAL_TIME)) {
            held.put(MSR_KVM_STEAL_TIME, 0L);
        }
        if (kernelApic && cpuid.has(CpuFeature.KVM_PV_EOI)) {
            held.put(MSR_KVM_PV_EOI_EN, 0L);
        }
        if (cpuid.has(CpuFeature.KVM_POLL_CONTROL)) {
            held.put(MSR_KVM_POLL_CONTROL, 1L);
        }
        if (cpuid.model().isAmd()) {
            held.putAll(AMD);
        }
        return held;
    }

    /** The value of a register that KVM is known to have. */
    long read(int index) {
        return tryRead(index)
                .orElseThrow(() ->
                        new HostException(
                                Kvm.GET_MSRS.name(), vcpu.name(), "no MSR " + hex(index)));
    }

    /** Reads the register without allocating; 0 if there is none. */
    long readOrZero(int index) {
        one.set(JAVA_INT, NMSRS, 1);
        one.set(JAVA_INT, ENTRIES + INDEX, index);
        return getOne.call() == 1 ? one.get(JAVA_LONG, ENTRIES + DATA) : 0;
    }

    private OptionalLong tryRead(int index) {
        one.set(JAVA_INT, NMSRS, 1);
        one.set(JAVA_INT, ENTRIES + INDEX, index);
        return vcpu.call(Kvm.GET_MSRS, one) == 1
                ? OptionalLong.of(one.get(JAVA_LONG, ENTRIES + DATA))
                : OptionalLong.empty();
    }

    /** Writes a register as the host, past what a guest may. */
    void write(int index, long value) {
        if (!tryWrite(index, value)) {
            throw refused(index, value);
        }
    }

    private boolean tryWrite(int index, long value) {
        one.set(JAVA_INT, NMSRS, 1);
        one.set(JAVA_INT, ENTRIES + INDEX, index);
        one.set(JAVA_LONG, ENTRIES + DATA, value);
        return vcpu.call(Kvm.SET_MSRS, one) == 1;
    }

    /** The registers that {@link dev.frond.machine.vcpu.CpuState} holds, as far as KVM has them. */
    List<Msr> save() {
        List<Msr> saved = new ArrayList<>();
        List<Integer> left = List.copyOf(held.keySet());
        while (!left.isEmpty()) {
            fill(left, Map.of());
            int done = vcpu.call(Kvm.GET_MSRS, all);
            for (int i = 0; i < done; i++) {
                long value = all.get(JAVA_LONG, ENTRIES + i * ENTRY + DATA);
                saved.add(new Msr(left.get(i), shown(left.get(i), value)));
            }
            Instead missing = done < left.size() ? instead.get(left.get(done)) : null;
            if (missing != null) {
                saved.add(new Msr(left.get(done), missing.wanted));
            }
            // KVM stops at the first that it does not have.
            left = left.subList(Math.min(done + 1, left.size()), left.size());
        }
        return saved;
    }

    /** A register that still has what KVM has instead shows what was wanted of it. */
    private long shown(int index, long value) {
        Instead other = instead.get(index);
        return other != null && other.actual.equals(OptionalLong.of(value)) ? other.wanted : value;
    }

    /**
     * Takes on saved registers; what is not among them has its value at power-on.
     *
     * @throws IllegalArgumentException if KVM cannot hold a value
     */
    void load(List<Msr> saved) {
        Map<Integer, Long> values = new TreeMap<>(held);
        saved.forEach(msr -> values.put(msr.index(), msr.value()));
        if (values.size() > held.size()) {
            values.keySet().removeAll(held.keySet());
            throw new IllegalArgumentException(
                    "cpu state: MSR " + hex(values.keySet().iterator().next()) + " is unknown");
        }
        instead.clear();
        // The time of day is one record for all CPUs here; one that names none leaves it.
        values.remove(MSR_KVM_WALL_CLOCK, 0L);
        values.remove(MSR_KVM_WALL_CLOCK_NEW, 0L);
        // What is as it should be is not written: kernels log writes that they do not care for.
        save().forEach(msr -> values.remove(msr.index(), msr.value()));
        List<Integer> left = List.copyOf(values.keySet());
        while (!left.isEmpty()) {
            fill(left, values);
            int done = vcpu.call(Kvm.SET_MSRS, all);
            if (done < left.size()) {
                loadRefused(left.get(done), values.getOrDefault(left.get(done), 0L));
            }
            left = left.subList(Math.min(done + 1, left.size()), left.size());
        }
        // KVM takes values for some that it forgets.
        AMD.keySet().stream()
                .filter(values::containsKey)
                .forEach(index -> {
                    long wanted = values.getOrDefault(index, 0L);
                    OptionalLong actual = tryRead(index);
                    if (!actual.equals(OptionalLong.of(wanted))) {
                        instead.put(index, new Instead(wanted, actual));
                    }
                });
    }

    /** What KVM does not have may be as it is at power-on; it knows no part of a bank's control. */
    private void loadRefused(int index, long value) {
        boolean same =
                AMD.containsKey(index)
                        || tryRead(index).isEmpty() && value == held.getOrDefault(index, 0L);
        boolean control =
                index >= IA32_MC0_CTL && index < IA32_MC0_CTL + 4 * BANKS && (index & 3) == 0;
        if (!same && !(control && tryWrite(index, -1L))) {
            throw refused(index, value);
        }
    }

    private static IllegalArgumentException refused(int index, long value) {
        return new IllegalArgumentException(
                "cpu state: under KVM MSR "
                        + hex(index)
                        + " cannot hold 0x"
                        + Long.toHexString(value));
    }

    private void fill(List<Integer> indices, Map<Integer, Long> values) {
        all.set(JAVA_INT, NMSRS, indices.size());
        for (int i = 0; i < indices.size(); i++) {
            all.set(JAVA_INT, ENTRIES + i * ENTRY + INDEX, indices.get(i));
            all.set(JAVA_LONG, ENTRIES + i * ENTRY + DATA, values.getOrDefault(indices.get(i), 0L));
        }
    }

    private static String hex(int index) {
        return "0x" + Integer.toHexString(index);
    }
}
