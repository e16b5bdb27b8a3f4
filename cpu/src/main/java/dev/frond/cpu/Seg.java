// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

/**
 * Numbers of segment registers and bits of their attributes, as descriptors hold them (SDM Vol. 3A,
 * 3.4).
 */
public final class Seg {
    public static final int ES = 0;
    public static final int CS = 1;
    public static final int SS = 2;
    public static final int DS = 3;
    public static final int FS = 4;
    public static final int GS = 5;
    public static final int LDTR = 6;
    public static final int TR = 7;

    /** In 64-bit mode ES, CS and DS: base 0, no limit. */
    public static final int FLAT = 8;

    /** In 64-bit mode SS: base 0, no limit, but a non-canonical address raises #SS. */
    public static final int FLAT_STACK = 9;

    /** In 64-bit mode FS: a base, no limit. */
    public static final int FS64 = 10;

    /** In 64-bit mode GS: a base, no limit. */
    public static final int GS64 = 11;

    /** Attribute bits, see {@link dev.frond.machine.vcpu.CpuState.Segment}. */
    public static final int ACCESSED = 1;

    /** Writable for data, readable for code. */
    public static final int WRITABLE = 2;

    /** Expand-down for data, conforming for code. */
    public static final int CONFORMING = 4;

    /** Code, not data. */
    public static final int CODE = 8;

    /** Code or data, not system. */
    public static final int CODE_OR_DATA = 0x10;

    public static final int DPL_SHIFT = 5;
    public static final int PRESENT = 0x80;
    public static final int LONG = 0x2000;
    public static final int BIG = 0x4000;
    public static final int GRANULAR = 0x8000;
    public static final int UNUSABLE = 0x1_0000;

    private Seg() {}
}
