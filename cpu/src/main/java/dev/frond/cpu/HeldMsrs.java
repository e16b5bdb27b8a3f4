// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/**
 * Model-specific registers that software reads back and the model does nothing with, since it has
 * no caches and no machine checks: memory types, machine-check banks, IA32_MISC_ENABLE (SDM Vol. 4;
 * Vol. 3A, 13.11 for the memory types; Vol. 3B, 17.3 for the banks).
 */
final class HeldMsrs {
    /** Variable-range MTRRs, as many as current CPUs have. */
    static final int VARIABLE_MTRRS = 8;

    /** Machine-check banks. */
    static final int BANKS = 4;

    private static final int IA32_BIOS_SIGN_ID = 0x8B;
    private static final int IA32_MCG_STATUS = 0x17A;
    private static final int IA32_MISC_ENABLE = 0x1A0;
    private static final int IA32_MTRR_PHYSBASE0 = 0x200;
    private static final int IA32_MTRR_FIX64K = 0x250;
    private static final int IA32_MTRR_FIX16K_80000 = 0x258;
    private static final int IA32_MTRR_FIX16K_A0000 = 0x259;
    private static final int IA32_MTRR_FIX4K = 0x268;
    private static final int IA32_MTRR_DEF_TYPE = 0x2FF;
    private static final int IA32_MC0_CTL = 0x400;

    /** Fast strings, branch trace storage and event sampling not available. */
    private static final long MISC_ENABLE_RESET = 0x1801;

    /** MONITOR and MWAIT are enabled. */
    private static final long MISC_ENABLE_MONITOR = 1 << 18;

    private static final int HWCR = 0xC001_0015;

    /** MONITOR and MWAIT are disabled (APM Vol. 2, 3.2.10; the family's register reference). */
    private static final long HWCR_MON_MWAIT_DIS = 1 << 9;

    /** Programs may execute them. */
    private static final long HWCR_MON_MWAIT_USER_EN = 1 << 10;

    /** Fast strings, thermal control, MONITOR, execute disable: what may be changed. */
    private static final long MISC_ENABLE_WRITABLE = 1L << 34 | 1 << 18 | 1 << 3 | 1;

    private static final long ADDRESS = (1L << Cpuid.PHYSICAL_BITS) - 1 & -4096L;

    private final Map<Integer, Long> values = new TreeMap<>();

    /**
     * Of processors of AMD: SYSCFG, HWCR with TscFreqSel, NB_CFG, whose bit for extended
     * configuration cycles Linux sets on each CPU, DE_CFG with serializing LFENCE.
     */
    private static final Map<Integer, Long> AMD =
            Map.of(0xC001_0010, 0L, HWCR, 1L << 24, 0xC001_001F, 0L, 0xC001_1029, 2L);

    private final boolean amd;
    private final boolean monitor;

    // Kept beside the registers: instructions look, and a look into the map allocates.
    private boolean monitorEnabled;
    private boolean monitorForPrograms;

    /** The registers of the processor that {@code cpuid} describes. */
    HeldMsrs(Cpuid cpuid) {
        amd = cpuid.model().isAmd();
        monitor = cpuid.has(CpuFeature.MONITOR);
        reset();
    }

    void reset() {
        values.clear();
        values.put(IA32_MCG_STATUS, 0L);
        values.put(IA32_MISC_ENABLE, MISC_ENABLE_RESET | (monitor ? MISC_ENABLE_MONITOR : 0));
        values.put(IA32_BIOS_SIGN_ID, 0L);
        values.put(IA32_MTRR_DEF_TYPE, 0L);
        if (amd) {
            values.putAll(AMD);
        }
        for (int i = 0; i < 2 * VARIABLE_MTRRS; i++) {
            values.put(IA32_MTRR_PHYSBASE0 + i, 0L);
        }
        values.put(IA32_MTRR_FIX64K, 0L);
        values.put(IA32_MTRR_FIX16K_80000, 0L);
        values.put(IA32_MTRR_FIX16K_A0000, 0L);
        for (int i = 0; i < 8; i++) {
            values.put(IA32_MTRR_FIX4K + i, 0L);
        }
        for (int i = 0; i < 4 * BANKS; i++) {
            values.put(IA32_MC0_CTL + i, 0L);
        }
        followMonitor();
    }

    private void followMonitor() {
        monitorEnabled =
                monitor
                        && (amd
                                ? (get(HWCR) & HWCR_MON_MWAIT_DIS) == 0
                                : (get(IA32_MISC_ENABLE) & MISC_ENABLE_MONITOR) != 0);
        monitorForPrograms = amd && (get(HWCR) & HWCR_MON_MWAIT_USER_EN) != 0;
    }

    /** Whether MONITOR and MWAIT are offered and not disabled. */
    boolean monitorEnabled() {
        return monitorEnabled;
    }

    /** Whether programs may execute MONITOR and MWAIT: never on processors of Intel. */
    boolean monitorForPrograms() {
        return monitorForPrograms;
    }

    boolean has(int index) {
        return values.containsKey(index);
    }

    /** The value of a register that {@link #has} tells of. */
    long get(int index) {
        return values.getOrDefault(index, 0L);
    }

    /** Writes a register; false if there is none, or it cannot hold {@code value}. */
    boolean write(int index, long value) {
        if (!has(index) || !accepts(index, value)) {
            return false;
        }
        switch (index) {
            case IA32_MISC_ENABLE ->
                    values.put(
                            index,
                            get(index) & ~MISC_ENABLE_WRITABLE | value & MISC_ENABLE_WRITABLE);
            case IA32_BIOS_SIGN_ID -> {
                // Written before CPUID loads the update's revision: there is none.
            }
            default -> values.put(index, value);
        }
        followMonitor();
        return true;
    }

    void forEach(BiConsumer<Integer, Long> action) {
        values.forEach(action);
    }

    private static boolean accepts(int index, long value) {
        if (index >= IA32_MTRR_PHYSBASE0 && index < IA32_MTRR_PHYSBASE0 + 2 * VARIABLE_MTRRS) {
            boolean base = (index & 1) == 0;
            return base
                    ? (value & ~(ADDRESS | 0xFF)) == 0 && isType((int) value & 0xFF)
                    : (value & ~(ADDRESS | 0x800)) == 0;
        }
        if (index >= IA32_MTRR_FIX64K && index < IA32_MTRR_FIX4K + 8) {
            for (int i = 0; i < 64; i += 8) {
                if (!isType((int) (value >>> i) & 0xFF)) {
                    return false;
                }
            }
            return true;
        }
        if (index >= IA32_MC0_CTL && index < IA32_MC0_CTL + 4 * BANKS) {
            // Only the control register takes all; status, address and more can be cleared.
            return (index & 3) == 0 || value == 0;
        }
        return switch (index) {
            case IA32_MTRR_DEF_TYPE -> (value & ~0xCFFL) == 0 && isType((int) value & 0xFF);
            case IA32_MCG_STATUS -> (value & ~7L) == 0;
            default -> true;
        };
    }

    /** Uncacheable, write-combining, write-through, write-protected, write-back. */
    private static boolean isType(int type) {
        return type == 0 || type == 1 || type >= 4 && type <= 6;
    }
}
