// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.Map;
import java.util.TreeMap;

/**
 * Which model-specific registers KVM answers for by itself: those that the CPU model has. All
 * others come as exits; of these the local APIC's are the machine's, unless the kernel has it, and
 * the rest faults with #GP(0), as on a processor that lacks them. The registers of x2APIC mode
 * cannot be filtered: KVM sends them out if it has no local APIC.
 */
final class MsrFilter {
    private static final int IA32_APIC_BASE = 0x1B;
    private static final int IA32_TSC_DEADLINE = 0x6E0;
    private static final int IA32_XSS = 0xDA0;

    /** First and last of each run (SDM Vol. 4, table 2-2). */
    private static final int[][] OF_EVERY_MODEL = {
        {0x10, 0x10}, // IA32_TIME_STAMP_COUNTER
        {0x17, 0x17}, // IA32_PLATFORM_ID
        {0x3A, 0x3A}, // IA32_FEATURE_CONTROL
        {0x79, 0x79}, // IA32_BIOS_UPDT_TRIG
        {0x8B, 0x8B}, // IA32_BIOS_SIGN_ID
        {0xCE, 0xCE}, // MSR_PLATFORM_INFO
        {0xFE, 0xFE}, // IA32_MTRRCAP
        {0x174, 0x176}, // IA32_SYSENTER_CS, ESP, EIP
        {0x179, 0x17A}, // IA32_MCG_CAP, STATUS
        {0x1A0, 0x1A0}, // IA32_MISC_ENABLE
        {0x1D9, 0x1D9}, // IA32_DEBUGCTL
        {0x1DB, 0x1DE}, // last branch and last interrupt
        {0x200, 0x20F}, // IA32_MTRR_PHYSBASE0 to PHYSMASK7
        {0x250, 0x250}, // the fixed ranges
        {0x258, 0x259},
        {0x268, 0x26F},
        {0x277, 0x277}, // IA32_PAT
        {0x2FF, 0x2FF}, // IA32_MTRR_DEF_TYPE
        {0x400, 0x400 + 4 * KvmMsrs.BANKS - 1}, // the machine-check banks
        {0xC000_0080, 0xC000_0084}, // IA32_EFER, STAR, LSTAR, CSTAR, FMASK
        {0xC000_0100, 0xC000_0103}, // the bases of FS and GS, IA32_TSC_AUX
    };

    private static final int[][] OF_AMD = {
        {KvmMsrs.SYSCFG, KvmMsrs.SYSCFG},
        {KvmMsrs.HWCR, KvmMsrs.HWCR},
        {KvmMsrs.NB_CFG, KvmMsrs.NB_CFG},
        {KvmMsrs.DE_CFG, KvmMsrs.DE_CFG}
    };

    /**
     * As many registers as one range of a filter can have bits for
     * (KVM_MSR_FILTER_MAX_BITMAP_SIZE).
     */
    private static final int PER_RANGE = 0x600 * 8;

    private MsrFilter() {}

    /** Lets the CPUs of {@code vm} reach the registers that {@code cpuid} goes with. */
    static void set(ControlFile vm, Cpuid cpuid, boolean kernelApic) {
        // The registers of a range by their number in it; a range starts at a multiple of its size.
        Map<Integer, BitSet> ranges = new TreeMap<>(Integer::compareUnsigned);
        allow(ranges, OF_EVERY_MODEL);
        if (cpuid.model().isAmd()) {
            allow(ranges, OF_AMD);
        }
        if (kernelApic) {
            allow(ranges, IA32_APIC_BASE);
            if (cpuid.has(CpuFeature.TSC_DEADLINE)) {
                allow(ranges, IA32_TSC_DEADLINE);
            }
        }
        if (cpuid.has(CpuFeature.TSC_ADJUST)) {
            allow(ranges, KvmMsrs.IA32_TSC_ADJUST);
        }
        if (cpuid.has(CpuFeature.XSAVES)) {
            allow(ranges, IA32_XSS);
        }
        paravirtual(ranges, cpuid, kernelApic);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment filter = arena.allocate(Structs.MSR_FILTER);
            filter.set(
                    JAVA_INT, Structs.at(Structs.MSR_FILTER, "flags"), Kvm.MSR_FILTER_DEFAULT_DENY);
            long at = Structs.at(Structs.MSR_FILTER, "ranges");
            for (Map.Entry<Integer, BitSet> range : ranges.entrySet()) {
                range(
                        filter.asSlice(at, Structs.MSR_FILTER_RANGE),
                        range.getKey(),
                        range.getValue(),
                        arena);
                at += Structs.MSR_FILTER_RANGE.byteSize();
            }
            vm.call(Kvm.X86_SET_MSR_FILTER, filter);
        }
    }

    /** The end of interrupts belongs to the local APIC. */
    private static void paravirtual(Map<Integer, BitSet> ranges, Cpuid cpuid, boolean kernelApic) {
        if (cpuid.has(CpuFeature.KVM_CLOCKSOURCE)) {
            allow(ranges, KvmMsrs.MSR_KVM_WALL_CLOCK);
            allow(ranges, KvmMsrs.MSR_KVM_SYSTEM_TIME);
        }
        if (cpuid.has(CpuFeature.KVM_CLOCKSOURCE2)) {
            allow(ranges, KvmMsrs.MSR_KVM_WALL_CLOCK_NEW);
            allow(ranges, KvmMsrs.MSR_KVM_SYSTEM_TIME_NEW);
        }
        if (cpuid.has(CpuFeature.KVM_STEAL_TIME)) {
            allow(ranges, KvmMsrs.MSR_KVM_STEAL_TIME);
        }
        if (kernelApic && cpuid.has(CpuFeature.KVM_PV_EOI)) {
            allow(ranges, KvmMsrs.MSR_KVM_PV_EOI_EN);
        }
        if (cpuid.has(CpuFeature.KVM_POLL_CONTROL)) {
            allow(ranges, KvmMsrs.MSR_KVM_POLL_CONTROL);
        }
    }

    private static void allow(Map<Integer, BitSet> ranges, int[][] runs) {
        for (int[] run : runs) {
            for (int index = run[0]; index <= run[1]; index++) {
                allow(ranges, index);
            }
        }
    }

    private static void allow(Map<Integer, BitSet> ranges, int index) {
        int within = Integer.remainderUnsigned(index, PER_RANGE);
        ranges.computeIfAbsent(index - within, _ -> new BitSet()).set(within);
    }

    private static void range(MemorySegment range, int base, BitSet allowed, Arena arena) {
        range.set(
                JAVA_INT,
                Structs.at(Structs.MSR_FILTER_RANGE, "flags"),
                Kvm.MSR_FILTER_READ | Kvm.MSR_FILTER_WRITE);
        range.set(JAVA_INT, Structs.at(Structs.MSR_FILTER_RANGE, "nmsrs"), PER_RANGE);
        range.set(JAVA_INT, Structs.at(Structs.MSR_FILTER_RANGE, "base"), base);
        MemorySegment bitmap = arena.allocate(PER_RANGE / 8, 8);
        bitmap.fill((byte) 0);
        long[] words = allowed.toLongArray();
        for (int i = 0; i < words.length; i++) {
            bitmap.set(JAVA_LONG, 8L * i, words[i]);
        }
        range.set(JAVA_LONG, Structs.at(Structs.MSR_FILTER_RANGE, "bitmap"), bitmap.address());
    }
}
