// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.host.HostException;
import dev.frond.machine.vcpu.CpuState.Msr;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;

/** The model-specific registers of one KVM CPU (SDM Vol. 4). */
final class KvmMsrs {
    static final int IA32_TSC = 0x10;
    static final int IA32_SMBASE = 0x9E;

    /** Machine-check banks, as many as the interpreter has. */
    static final int BANKS = 4;

    private static final int IA32_MC0_CTL = 0x400;

    /** The registers that a CPU's state holds, with their values at power-on. */
    private static final Map<Integer, Long> HELD = held();

    private static final long NMSRS = Structs.at(Structs.MSRS, "nmsrs");
    private static final long ENTRIES = Structs.MSRS.byteSize();
    private static final long ENTRY = Structs.MSR_ENTRY.byteSize();
    private static final long INDEX = Structs.at(Structs.MSR_ENTRY, "index");
    private static final long DATA = Structs.at(Structs.MSR_ENTRY, "data");

    private final ControlFile vcpu;
    private final MemorySegment one;
    private final MemorySegment all;
    private final ControlFile.Repeated getOne;

    KvmMsrs(ControlFile vcpu, Arena arena) {
        this.vcpu = vcpu;
        one = arena.allocate(ENTRIES + ENTRY, 8);
        all = arena.allocate(ENTRIES + HELD.size() * ENTRY, 8);
        getOne = vcpu.repeated(Kvm.GET_MSRS, one.address());
    }

    private static Map<Integer, Long> held() {
        Map<Integer, Long> held = new TreeMap<>(Integer::compareUnsigned);
        // IA32_TSC_ADJUST, IA32_BIOS_SIGN_ID
        held.put(0x3B, 0L);
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
        List<Integer> left = List.copyOf(HELD.keySet());
        while (!left.isEmpty()) {
            fill(left, Map.of());
            int done = vcpu.call(Kvm.GET_MSRS, all);
            for (int i = 0; i < done; i++) {
                saved.add(new Msr(left.get(i), all.get(JAVA_LONG, ENTRIES + i * ENTRY + DATA)));
            }
            // KVM stops at the first that it does not have.
            left = left.subList(Math.min(done + 1, left.size()), left.size());
        }
        return saved;
    }

    /**
     * Takes on saved registers; what is not among them has its value at power-on.
     *
     * @throws IllegalArgumentException if KVM cannot hold a value
     */
    void load(List<Msr> saved) {
        Map<Integer, Long> values = new TreeMap<>(HELD);
        saved.forEach(msr -> values.put(msr.index(), msr.value()));
        if (values.size() > HELD.size()) {
            values.keySet().removeAll(HELD.keySet());
            throw new IllegalArgumentException(
                    "cpu state: MSR " + hex(values.keySet().iterator().next()) + " is unknown");
        }
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
    }

    /** What KVM does not have may be as it is at power-on; it knows no part of a bank's control. */
    private void loadRefused(int index, long value) {
        boolean same = tryRead(index).isEmpty() && value == HELD.getOrDefault(index, 0L);
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
