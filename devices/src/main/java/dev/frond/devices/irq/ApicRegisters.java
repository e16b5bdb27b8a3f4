// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.Cpuid;

/**
 * Addresses and bits of the local APIC's registers (Intel SDM Vol. 3A, 12.4 to 12.12). A register's
 * number is bits 11:4 of its xAPIC offset and bits 7:0 of its x2APIC MSR (table 12-6).
 */
final class ApicRegisters {
    static final int IA32_APIC_BASE = 0x1B;
    static final int IA32_TSC_DEADLINE = 0x6E0;

    /** The MSR of x2APIC register 0. */
    static final int X2APIC = 0x800;

    static final long BASE_BSP = 1 << 8;
    static final long BASE_EXTD = 1 << 10;
    static final long BASE_EN = 1 << 11;
    static final long BASE_ADDRESS = (1L << Cpuid.PHYSICAL_BITS) - 4096;
    static final long BASE_RESERVED = ~(BASE_ADDRESS | BASE_EN | BASE_EXTD | BASE_BSP);
    static final long BASE_RESET = 0xFEE0_0000L | BASE_EN;

    static final int ID = 0x02;
    static final int VERSION = 0x03;
    static final int TPR = 0x08;
    static final int APR = 0x09;
    static final int PPR = 0x0A;
    static final int EOI = 0x0B;
    static final int RRD = 0x0C;
    static final int LDR = 0x0D;
    static final int DFR = 0x0E;
    static final int SVR = 0x0F;
    static final int ISR = 0x10;
    static final int TMR = 0x18;
    static final int IRR = 0x20;
    static final int ESR = 0x28;
    static final int ICR_LOW = 0x30;
    static final int ICR_HIGH = 0x31;
    static final int LVT_TIMER = 0x32;
    static final int LVT_THERMAL = 0x33;
    static final int LVT_PERFORMANCE = 0x34;
    static final int LVT_LINT0 = 0x35;
    static final int LVT_LINT1 = 0x36;
    static final int LVT_ERROR = 0x37;
    static final int INITIAL_COUNT = 0x38;
    static final int CURRENT_COUNT = 0x39;
    static final int DIVIDE_CONFIGURATION = 0x3E;
    static final int SELF_IPI = 0x3F;

    /** Version 14h, LVT entries 0 to 5, EOI-broadcast suppression. */
    static final int VERSION_VALUE = 1 << 24 | 5 << 16 | 0x14;

    static final int SVR_ENABLE = 1 << 8;
    static final int SVR_SUPPRESS_EOI_BROADCAST = 1 << 12;
    static final int SVR_BITS = SVR_SUPPRESS_EOI_BROADCAST | 1 << 9 | SVR_ENABLE | 0xFF;
    static final int SVR_RESET = 0xFF;

    static final int DFR_FLAT = -1;

    static final int ESR_SEND_ILLEGAL_VECTOR = 1 << 5;
    static final int ESR_RECEIVE_ILLEGAL_VECTOR = 1 << 6;
    static final int ESR_ILLEGAL_REGISTER = 1 << 7;
    static final int ESR_BITS =
            ESR_SEND_ILLEGAL_VECTOR | ESR_RECEIVE_ILLEGAL_VECTOR | ESR_ILLEGAL_REGISTER;

    static final int ICR_LOGICAL = 1 << 11;
    static final int ICR_ASSERT = 1 << 14;
    static final int ICR_LEVEL = 1 << 15;
    static final int ICR_LOW_BITS = 0xC_CFFF;
    static final long ICR_BITS = 0xFFFF_FFFFL << 32 | ICR_LOW_BITS;

    /**
     * Bit 12, the delivery status of xAPIC, is not among them: software writes back what it read.
     */
    static final long ICR_X2APIC_RESERVED = 0xFFF3_2000L;

    static final int LVT_EXT_INT = 7 << 8;
    static final int LVT_NMI = 4 << 8;
    static final int LVT_DELIVERY_STATUS = 1 << 12;
    static final int LVT_POLARITY = 1 << 13;
    static final int LVT_REMOTE_IRR = 1 << 14;
    static final int LVT_LEVEL = 1 << 15;
    static final int LVT_MASKED = 1 << 16;
    static final int LVT_TSC_DEADLINE = 2 << 17;
    static final int LVT_TIMER_MODE = 3 << 17;

    /** The number of LVT entries; the first is {@link #LVT_TIMER}, the last {@link #LVT_ERROR}. */
    static final int LVT_ENTRIES = 6;

    private static final long NOT_WRITABLE = -1;

    private ApicRegisters() {}

    static boolean isLvt(int register) {
        return register >= LVT_TIMER && register <= LVT_ERROR;
    }

    /** Whether the register is one of the eight of ISR, TMR or IRR. */
    static boolean isVectorBits(int register) {
        return register >= ISR && register < ESR;
    }

    /** The bits of an LVT entry that software can write (figure 12-8). */
    static int lvtBits(int register) {
        return LVT_MASKED
                | switch (register) {
                    case LVT_TIMER -> LVT_TIMER_MODE | 0xFF;
                    case LVT_LINT0, LVT_LINT1 -> LVT_LEVEL | LVT_POLARITY | 0x7FF;
                    case LVT_ERROR -> 0xFF;
                    default -> 0x7FF;
                };
    }

    /** Whether RDMSR of the register's x2APIC MSR is allowed (table 12-6). */
    static boolean x2apicReadable(int register) {
        return switch (register) {
            case ID, VERSION, TPR, PPR, LDR, SVR, ESR, ICR_LOW -> true;
            case INITIAL_COUNT, CURRENT_COUNT, DIVIDE_CONFIGURATION -> true;
            default -> isVectorBits(register) || isLvt(register);
        };
    }

    /** Whether WRMSR of {@code value} to the register's x2APIC MSR is allowed (table 12-6). */
    static boolean x2apicWritable(int register, long value) {
        long bits =
                switch (register) {
                    case TPR, SELF_IPI -> 0xFF;
                    case EOI, ESR -> 0;
                    case SVR -> SVR_BITS;
                    case ICR_LOW -> ~ICR_X2APIC_RESERVED;
                    case INITIAL_COUNT -> 0xFFFF_FFFFL;
                    case DIVIDE_CONFIGURATION -> ApicTimer.DIVIDE_BITS;
                    default ->
                            isLvt(register)
                                    ? lvtBits(register) | LVT_DELIVERY_STATUS | LVT_REMOTE_IRR
                                    : NOT_WRITABLE;
                };
        return bits != NOT_WRITABLE && (value & ~bits) == 0;
    }

    /** The logical x2APIC ID: cluster in bits 31:16, one bit of 15:0 (12.12.10.2). */
    static int logicalId(int x2apicId) {
        return x2apicId >>> 4 << 16 | 1 << (x2apicId & 15);
    }

    static boolean isUnmaskedExtInt(int entry) {
        return (entry & LVT_MASKED) == 0 && DeliveryMode.in(entry) == DeliveryMode.EXT_INT;
    }

    /** Whether a pin at {@code level} is active, by the entry's polarity bit. */
    static boolean asserted(boolean level, int lvt) {
        return level != ((lvt & LVT_POLARITY) != 0);
    }

    static boolean levelTriggered(int lvt) {
        return (lvt & LVT_LEVEL) != 0 && DeliveryMode.in(lvt) == DeliveryMode.FIXED;
    }

    /** Whether IA32_APIC_BASE can hold this: x2APIC mode is one of an enabled APIC. */
    static boolean validMode(long base) {
        return (base & BASE_EXTD) == 0 || (base & BASE_EN) != 0;
    }
}
