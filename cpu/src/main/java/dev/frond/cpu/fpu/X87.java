// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import java.util.Arrays;

/**
 * The x87 unit of one CPU: eight 80-bit registers as a stack, control, status and tags, and the
 * instructions that load, store and move; {@link X87Math}, {@link X87Compare} and {@link
 * X87Transcendental} compute, {@link X87Image} packs the memory images. SDM Vol. 1, chapter 8.
 *
 * <p>An unmasked exception only sets ES: the CPU asks {@link #pendingException} before the next
 * waiting instruction and raises #MF (or FERR#). Not thread-safe.
 */
public final class X87 {
    /** Status word: stack fault. */
    public static final int SF = 1 << 6;

    /** Status word: error summary. */
    public static final int ES = 1 << 7;

    /** Status word: condition code 0. */
    public static final int C0 = 1 << 8;

    /** Status word: condition code 1. */
    public static final int C1 = 1 << 9;

    /** Status word: condition code 2. */
    public static final int C2 = 1 << 10;

    /** Status word: condition code 3. */
    public static final int C3 = 1 << 14;

    /** Status word: busy, a copy of ES since the 80387. */
    public static final int B = 1 << 15;

    /** The control word after FNINIT: everything masked, nearest, 64-bit precision. */
    public static final int CONTROL_INIT = 0x037F;

    /** The control word after RESET. */
    public static final int CONTROL_RESET = 0x0040;

    /** {@link #constant}: +1.0. */
    public static final int ONE = 0;

    /** {@link #constant}: log2(10). */
    public static final int LOG2_10 = 1;

    /** {@link #constant}: log2(e). */
    public static final int LOG2_E = 2;

    /** {@link #constant}: pi. */
    public static final int PI = 3;

    /** {@link #constant}: log10(2). */
    public static final int LOG10_2 = 4;

    /** {@link #constant}: ln(2). */
    public static final int LN_2 = 5;

    /** {@link #constant}: +0.0. */
    public static final int NIL = 6;

    private static final int INDEFINITE_EXPONENT = 0xFFFF;
    private static final long INDEFINITE = 0xC000_0000_0000_0000L;

    private static final int CC = C0 | C1 | C2 | C3;

    final long[] significands = new long[8];
    final int[] exponents = new int[8];
    final FpEnv env = new FpEnv();
    final X87Transcendental transcendental = new X87Transcendental();

    private int top;

    /** Bit n: physical register n is not empty. */
    private int occupied;

    private int control = CONTROL_RESET;

    /** The status word without TOP and B. */
    private int status;

    private long instructionPointer;
    private long dataPointer;
    private int codeSelector;
    private int dataSelector;
    private int opcode;

    private long storeLow;
    private int storeHigh;
    private int storeStatus;
    private boolean storeSuppressed;

    /** Whether it follows processors of AMD where vendors differ. */
    final boolean amd;

    /** As {@link #X87(boolean)}, of a processor of Intel. */
    public X87() {
        this(false);
    }

    /**
     * A unit in the state after RESET.
     *
     * @param amd whether to follow processors of AMD, not of Intel, where they differ
     */
    public X87(boolean amd) {
        this.amd = amd;
        reset();
    }

    // --- control and status ---------------------------------------------------------------------

    /** The state after RESET and power-on: SDM Vol. 3, table 10-1. */
    public void reset() {
        initialize();
        control = CONTROL_RESET;
        occupied = 0xFF;
    }

    /** FNINIT: the registers keep their bits but become empty. */
    public void fninit() {
        control = CONTROL_INIT;
        status = 0;
        top = 0;
        occupied = 0;
        instructionPointer = 0;
        dataPointer = 0;
        codeSelector = 0;
        dataSelector = 0;
        opcode = 0;
    }

    /** FNCLEX. */
    public void fnclex() {
        status &= CC;
    }

    /** FNSTCW. */
    public int controlWord() {
        return control;
    }

    /** Whether the control word masks all exceptions, so that none can be pending. */
    public boolean masksAll() {
        return (control & FpFlags.ALL) == FpFlags.ALL;
    }

    /** FLDCW: exceptions that become unmasked by it become pending. */
    public void controlWord(int value) {
        control = (value & 0x1F3F) | 0x40;
        summarize();
    }

    /** What FNSTENV does to the control word after the store: all exceptions masked. */
    public void maskAll() {
        controlWord(control | FpFlags.ALL);
    }

    /** FNSTSW. */
    public int statusWord() {
        return status | top << 11 | ((status & ES) != 0 ? B : 0);
    }

    /** Sets the status word, TOP included; ES and B follow the flags and the masks. */
    public void statusWord(int value) {
        top = value >>> 11 & 7;
        status = value & (CC | SF | FpFlags.ALL);
        summarize();
    }

    /** ES: a waiting instruction raises #MF before it does anything. */
    public boolean pendingException() {
        return (status & ES) != 0;
    }

    private void summarize() {
        if ((status & ~control & FpFlags.ALL) != 0) {
            status |= ES;
        } else {
            status &= ~ES;
        }
    }

    /** Raises flags of the status word. */
    void raise(int flags) {
        status |= flags;
        summarize();
    }

    void c1(boolean value) {
        status = value ? status | C1 : status & ~C1;
    }

    void conditions(int cleared, int set) {
        status = (status & ~cleared) | set;
    }

    /** The register number that ST(0) is. */
    public int top() {
        return top;
    }

    /** The tags as FXSAVE keeps them: bit n is set when physical register n is not empty. */
    public int occupied() {
        return occupied;
    }

    /** Sets the tags of {@link #occupied}. */
    public void occupied(int bits) {
        occupied = bits & 0xFF;
    }

    /** The full tag word of FNSTENV: 0 valid, 1 zero, 2 special, 3 empty, two bits a register. */
    public int tagWord() {
        int word = 0;
        for (int n = 7; n >= 0; n--) {
            word = word << 2 | tag(n);
        }
        return word;
    }

    private int tag(int n) {
        if ((occupied >>> n & 1) == 0) {
            return 3;
        }
        int field = exponents[n] & 0x7FFF;
        if (field == 0 && significands[n] == 0) {
            return 1;
        }
        return field == 0 || field == 0x7FFF || significands[n] >= 0 ? 2 : 0;
    }

    /** Loads a full tag word; only empty or not is kept. */
    public void tagWord(int word) {
        occupied = 0;
        for (int n = 0; n < 8; n++) {
            if ((word >>> (2 * n) & 3) != 3) {
                occupied |= 1 << n;
            }
        }
    }

    /** Notes the non-control instruction about to be executed; opcode is its 11 bits. */
    public void instruction(long pointer, int selector, int elevenBits) {
        instructionPointer = pointer;
        codeSelector = selector & 0xFFFF;
        opcode = elevenBits & 0x7FF;
    }

    /** Notes the memory operand of the instruction of {@link #instruction}. */
    public void operand(long pointer, int selector) {
        dataPointer = pointer;
        dataSelector = selector & 0xFFFF;
    }

    /** The offset (or linear address) of the last non-control instruction. */
    public long instructionPointer() {
        return instructionPointer;
    }

    /** The code selector of the last non-control instruction. */
    public int codeSelector() {
        return codeSelector;
    }

    /** The lower 11 opcode bits of the last non-control instruction. */
    public int opcode() {
        return opcode;
    }

    /** The offset (or linear address) of the last memory operand. */
    public long dataPointer() {
        return dataPointer;
    }

    /** The selector of the last memory operand. */
    public int dataSelector() {
        return dataSelector;
    }

    // --- the stack ------------------------------------------------------------------------------

    private int physical(int i) {
        return top + i & 7;
    }

    /** The significand of ST(i). */
    public long significand(int i) {
        return significands[physical(i)];
    }

    /** The sign and exponent word of ST(i). */
    public int signExponent(int i) {
        return exponents[physical(i)];
    }

    /** Whether ST(i) is empty. */
    public boolean empty(int i) {
        return (occupied >>> physical(i) & 1) == 0;
    }

    /** Writes ST(i), which becomes not empty; no exception is looked for. */
    public void set(int i, int signExponent, long significand) {
        int n = physical(i);
        exponents[n] = signExponent & 0xFFFF;
        significands[n] = significand;
        occupied |= 1 << n;
    }

    /** Writes the bits of ST(i), empty or not, and leaves its tag alone. */
    void setBits(int i, int signExponent, long significand) {
        int n = physical(i);
        exponents[n] = signExponent;
        significands[n] = significand;
    }

    void setIndefinite(int i) {
        set(i, INDEFINITE_EXPONENT, INDEFINITE);
    }

    void pushIndefinite() {
        pushRaw(INDEFINITE_EXPONENT, INDEFINITE);
    }

    void set(int i, Unpacked value) {
        set(i, value.signExponent(), value.sig);
    }

    void load(Unpacked into, int i) {
        int n = physical(i);
        into.load80(exponents[n], significands[n]);
    }

    void pop() {
        occupied &= ~(1 << top);
        top = top + 1 & 7;
    }

    void pop(int times) {
        for (int k = 0; k < times; k++) {
            pop();
        }
    }

    void pushRaw(int signExponent, long significand) {
        top = top - 1 & 7;
        set(0, signExponent, significand);
    }

    /** Raises #IS for an empty operand; true when masked, so that the instruction goes on. */
    boolean stackUnderflow() {
        c1(false);
        raise(FpFlags.IE | SF);
        return (control & FpFlags.IE) != 0;
    }

    /**
     * Whether a push finds no empty register: raises #IS with C1 then, and where that is masked
     * pushes the indefinite.
     */
    private boolean pushOverflows() {
        if (empty(7)) {
            return false;
        }
        if (stackOverflow()) {
            pushIndefinite();
        }
        return true;
    }

    /** Raises #IS for a push onto a register in use; true when masked. */
    boolean stackOverflow() {
        c1(true);
        raise(FpFlags.IE | SF);
        return (control & FpFlags.IE) != 0;
    }

    /** Starts an instruction that computes. */
    FpEnv begin() {
        env.beginX87(control);
        return env;
    }

    /** The flags of the computation into the status word; true when there is a result to write. */
    boolean settle(FpEnv e) {
        c1(e.roundedUp);
        if (e.flags != 0) {
            raise(e.flags);
        }
        return !e.suppressed();
    }

    /** FINCSTP. */
    public void fincstp() {
        c1(false);
        top = top + 1 & 7;
    }

    /** FDECSTP. */
    public void fdecstp() {
        c1(false);
        top = top - 1 & 7;
    }

    /** FFREE ST(i). */
    public void ffree(int i) {
        c1(false);
        occupied &= ~(1 << physical(i));
    }

    /** FFREEP ST(i): FFREE, then a pop without checks. */
    public void ffreep(int i) {
        ffree(i);
        pop();
    }

    // --- loads ----------------------------------------------------------------------------------

    /** FLD ST(i). */
    public void fld(int i) {
        if (empty(i)) {
            if (stackUnderflow()) {
                pushIndefinite();
            }
            return;
        }
        if (pushOverflows()) {
            return;
        }
        c1(false);
        int n = physical(i);
        pushRaw(exponents[n], significands[n]);
    }

    /** FLD m32fp. */
    public void fldM32(int bits) {
        if (pushOverflows()) {
            return;
        }
        FpEnv e = begin();
        e.a.load32(bits, false);
        pushConverted(e);
    }

    /** FLD m64fp. */
    public void fldM64(long bits) {
        if (pushOverflows()) {
            return;
        }
        FpEnv e = begin();
        e.a.load64(bits, false);
        pushConverted(e);
    }

    private void pushConverted(FpEnv e) {
        Unpacked a = e.a;
        if (a.isNan()) {
            if (a.kind == Unpacked.SNAN) {
                e.raise(FpFlags.IE);
            }
            e.r.nan(a.sign, a.sig);
        } else {
            e.r.copy(a);
            e.r.denormal = false;
            if (a.denormal) {
                e.raise(FpFlags.DE);
            }
        }
        // Unlike elsewhere a denormal operand does not stop the load, unmasked or not.
        if (settle(e) || (e.flags & FpFlags.IE) == 0) {
            pushRaw(e.r.signExponent(), e.r.sig);
        }
    }

    /** FLD m80fp: no conversion, so no exception but a stack overflow. */
    public void fldM80(long significand, int signExponent) {
        if (!pushOverflows()) {
            c1(false);
            pushRaw(signExponent, significand);
        }
    }

    /** FILD m16int, m32int and m64int, sign-extended. */
    public void fild(long value) {
        if (!pushOverflows()) {
            c1(false);
            env.r.loadInteger(value);
            pushRaw(env.r.signExponent(), env.r.sig);
        }
    }

    /** FBLD m80bcd; digits above 9 count as their value. */
    public void fbld(long low, int high) {
        if (pushOverflows()) {
            return;
        }
        c1(false);
        long value = (high >>> 4 & 15) * 10L + (high & 15);
        for (int shift = 60; shift >= 0; shift -= 4) {
            value = value * 10 + (low >>> shift & 15);
        }
        int sign = high >>> 15 & 1;
        if (value == 0) {
            env.r.zero(sign);
        } else {
            env.r.loadMagnitude(sign, value);
        }
        pushRaw(env.r.signExponent(), env.r.sig);
    }

    /**
     * FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ by the number in the opcode's low bits: the
     * true value rounded by RC (SDM Vol. 1, 8.3.8), with no PE.
     */
    public void constant(int number) {
        if (pushOverflows()) {
            return;
        }
        c1(false);
        int rc = control >>> 10 & 3;
        boolean up = rc == FpFlags.UP;
        boolean cut = rc == FpFlags.DOWN || rc == FpFlags.TRUNCATE;
        switch (number) {
            case ONE -> pushRaw(0x3FFF, 0x8000_0000_0000_0000L);
            case LOG2_10 -> pushRaw(0x4000, 0xD49A_784B_CD1B_8AFEL + (up ? 1 : 0));
            case LOG2_E -> pushRaw(0x3FFF, 0xB8AA_3B29_5C17_F0BCL - (cut ? 1 : 0));
            case PI -> pushRaw(0x4000, 0xC90F_DAA2_2168_C235L - (cut ? 1 : 0));
            case LOG10_2 -> pushRaw(0x3FFD, 0x9A20_9A84_FBCF_F799L - (cut ? 1 : 0));
            case LN_2 -> pushRaw(0x3FFE, 0xB172_17F7_D1CF_79ACL - (cut ? 1 : 0));
            default -> pushRaw(0, 0);
        }
    }

    // --- stores: computed first, committed when memory has taken the value --------------------

    /** FST and FSTP m32fp: as {@link #storeM64}; the value is the lower half of storeLow. */
    public boolean storeM32() {
        if (empty(0)) {
            return storeUnderflow(0xFFC0_0000L, 0);
        }
        FpEnv e = begin();
        narrowing(e);
        e.wrap = 0;
        if (!e.suppressed()) {
            SoftRound.to32(e);
        }
        return stored(e, e.r.pack32() & 0xFFFF_FFFFL, 0);
    }

    /**
     * FST and FSTP m64fp: computes the value; false means that an unmasked exception keeps memory
     * as it is. Nothing changes in the unit before {@link #commitStore}.
     */
    public boolean storeM64() {
        if (empty(0)) {
            return storeUnderflow(0xFFF8_0000_0000_0000L, 0);
        }
        FpEnv e = begin();
        narrowing(e);
        e.wrap = 0;
        if (!e.suppressed()) {
            SoftRound.to64(e);
        }
        return stored(e, e.r.pack64(), 0);
    }

    private void narrowing(FpEnv e) {
        load(e.a, 0);
        Unpacked a = e.a;
        if (a.kind == Unpacked.UNSUPPORTED) {
            e.invalid();
        } else if (a.isNan()) {
            if (a.kind == Unpacked.SNAN) {
                e.raise(FpFlags.IE);
            }
            e.r.nan(a.sign, a.sig);
        } else {
            e.r.copy(a);
            e.r.denormal = false;
        }
    }

    /** FSTP m80fp: as {@link #storeM64}; the bits go out unchanged. */
    public boolean storeM80() {
        if (empty(0)) {
            return storeUnderflow(INDEFINITE, INDEFINITE_EXPONENT);
        }
        storeLow = significand(0);
        storeHigh = signExponent(0);
        storeStatus = 0;
        storeSuppressed = false;
        return true;
    }

    /** FIST and FISTP of 16, 32 or 64 bits: as {@link #storeM64}. */
    public boolean storeInteger(int width) {
        return storeInteger(width, control >>> 10 & 3);
    }

    /** FISTTP of 16, 32 or 64 bits: as {@link #storeM64}, toward zero. */
    public boolean storeTruncated(int width) {
        return storeInteger(width, FpFlags.TRUNCATE);
    }

    private boolean storeInteger(int width, int rc) {
        if (empty(0)) {
            return storeUnderflow(-1L << (width - 1), 0);
        }
        FpEnv e = begin();
        load(e.a, 0);
        return stored(e, SoftFloat.toInteger(e, rc, width), 0);
    }

    /** FBSTP: as {@link #storeM64}; 18 digits in storeLow and storeHigh. */
    public boolean storeBcd() {
        if (empty(0)) {
            return storeUnderflow(INDEFINITE, INDEFINITE_EXPONENT);
        }
        FpEnv e = begin();
        load(e.a, 0);
        long magnitude = 0;
        if (e.a.kind == Unpacked.FINITE && e.a.exp < 60) {
            magnitude = SoftFloat.magnitude(e, e.rc);
        } else if (e.a.kind != Unpacked.ZERO) {
            magnitude = Long.MAX_VALUE;
        }
        if (magnitude >= 1_000_000_000_000_000_000L) {
            e.flags = FpFlags.IE;
            e.roundedUp = false;
            return stored(e, INDEFINITE, INDEFINITE_EXPONENT);
        }
        long low = 0;
        for (int shift = 0; shift < 64; shift += 4) {
            low |= magnitude % 10 << shift;
            magnitude /= 10;
        }
        long high = e.a.sign << 15 | (magnitude / 10) << 4 | magnitude % 10;
        return stored(e, low, (int) high);
    }

    private boolean storeUnderflow(long low, int high) {
        storeLow = low;
        storeHigh = high;
        storeStatus = FpFlags.IE | SF;
        storeSuppressed = (control & FpFlags.IE) == 0;
        return !storeSuppressed;
    }

    private boolean stored(FpEnv e, long low, int high) {
        storeLow = low;
        storeHigh = high;
        int stopping = FpFlags.PRE | FpFlags.OE | FpFlags.UE;
        storeSuppressed = (e.flags & ~e.masks & stopping) != 0;
        storeStatus = storeSuppressed ? e.flags & ~FpFlags.PE : e.flags | (e.roundedUp ? C1 : 0);
        return !storeSuppressed;
    }

    /** The low 64 bits of the value to store. */
    public long storeLow() {
        return storeLow;
    }

    /** The 16 bits above {@link #storeLow} of the ten-byte formats. */
    public int storeHigh() {
        return storeHigh;
    }

    /** Ends a store: raises its flags, and pops when asked to and the store took place. */
    public void commitStore(boolean pop) {
        c1((storeStatus & C1) != 0);
        raise(storeStatus & ~C1);
        if (pop && !storeSuppressed) {
            pop();
        }
    }

    // --- moves ----------------------------------------------------------------------------------

    /** FST ST(i) and FSTP ST(i). */
    public void fst(int i, boolean pop) {
        c1(false);
        if (empty(0)) {
            if (!stackUnderflow()) {
                return;
            }
            setIndefinite(i);
        } else {
            set(i, signExponent(0), significand(0));
        }
        if (pop) {
            pop();
        }
    }

    /** FXCH ST(i). */
    public void fxch(int i) {
        c1(false);
        if (empty(0) || empty(i)) {
            if (!stackUnderflow()) {
                return;
            }
            if (empty(0)) {
                setIndefinite(0);
            }
            if (empty(i)) {
                setIndefinite(i);
            }
        }
        int exponent = signExponent(0);
        long significand = significand(0);
        set(0, signExponent(i), significand(i));
        set(i, exponent, significand);
    }

    /** FCMOVcc ST(0), ST(i), with its condition already evaluated. */
    public void fcmov(int i, boolean condition) {
        if (empty(0) || empty(i)) {
            if (stackUnderflow()) {
                setIndefinite(0);
            }
        } else if (condition) {
            set(0, signExponent(i), significand(i));
        }
    }

    /** FCHS. */
    public void fchs() {
        sign(signExponent(0) ^ 0x8000);
    }

    /** FABS. */
    public void fabs() {
        sign(signExponent(0) & 0x7FFF);
    }

    private void sign(int signExponent) {
        c1(false);
        if (!empty(0)) {
            set(0, signExponent, significand(0));
        } else if (stackUnderflow()) {
            setIndefinite(0);
        }
    }

    // --- state ----------------------------------------------------------------------------------

    /** The initial configuration of the XSAVE feature set: FNINIT with all registers +0. */
    public void initialize() {
        fninit();
        Arrays.fill(significands, 0);
        Arrays.fill(exponents, 0);
    }

    /** Whether the state is that of {@link #initialize}: SDM Vol. 1, 13.6. */
    public boolean isInitial() {
        long any = instructionPointer | dataPointer | codeSelector | dataSelector | opcode;
        any |= status | top | occupied | (control ^ CONTROL_INIT);
        for (int n = 0; n < 8; n++) {
            any |= significands[n] | exponents[n];
        }
        return any == 0;
    }

    // --- MMX ------------------------------------------------------------------------------------

    /** MMi. */
    public long mmx(int i) {
        return significands[i & 7];
    }

    /** Writes MMi; the caller also calls {@link #enterMmx}. */
    public void mmx(int i, long value) {
        significands[i & 7] = value;
        exponents[i & 7] = 0xFFFF;
    }

    /** What every MMX instruction but EMMS does: TOP becomes 0 and all tags valid. */
    public void enterMmx() {
        top = 0;
        occupied = 0xFF;
    }

    /** EMMS. */
    public void emms() {
        top = 0;
        occupied = 0;
    }
}
