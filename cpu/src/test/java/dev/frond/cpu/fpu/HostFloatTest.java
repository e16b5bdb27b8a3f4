// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.frond.host.HostCpu;
import dev.frond.host.NativeCode;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;

/**
 * The package against the host's own processor: results, flags and unmasked exceptions of random
 * and corner operands in random control words. What the manual calls undefined is left out.
 */
class HostFloatTest {
    private static final int CASES = 4000;

    private static final int FCW = 0;
    private static final int FSW = 2;
    private static final int FTW = 4;
    private static final int ST = 32;

    /** One element of an SSE instruction on raw bits. */
    private interface Sse {
        long apply(FpContext c, long a, long b);
    }

    /** An x87 instruction; memory is its operand, before and after. */
    private interface X87Instruction {
        void execute(X87 f, long[] memory);
    }

    private final Operands operands = new Operands(2026);
    private final FpContext c = new FpContext(HostCpu.isAmd());
    private final X87 f = new X87(HostCpu.isAmd());
    private NativeCode host;

    @BeforeEach
    void openHost() {
        assumeTrue(NativeCode.isSupported(), "needs an x86-64 Linux host");
        host = NativeCode.create(0x1000);
        host.reset();
    }

    @AfterEach
    void closeHost() {
        if (host != null) {
            host.close();
        }
    }

    private void load(String hex) {
        host.load(NativeCode.Mode.LONG, 0, HexFormat.of().parseHex(hex));
    }

    private int mxcsr() {
        int value = FpContext.MXCSR_RESET | operands.below(4) << 13;
        value |= operands.below(3) == 0 ? FpContext.DAZ : 0;
        value |= operands.below(3) == 0 ? FpContext.FTZ : 0;
        value |= operands.below(2) == 0 ? operands.below(64) : 0;
        return operands.below(3) == 0 ? value & ~(operands.below(64) << 7) : value;
    }

    /** XMM0 op XMM1 into XMM0, or into RAX, or into the flags. */
    private void sse(String hex, int width, char result, Sse instruction) {
        load(hex);
        long mask = width == 64 ? -1L : (1L << width) - 1;
        for (int k = 0; k < CASES; k++) {
            boolean wide = hex.startsWith("f2") || hex.startsWith("66");
            long a = wide ? operands.binary64() : operands.binary32() & 0xFFFF_FFFFL;
            long b = wide ? operands.binary64() : operands.binary32() & 0xFFFF_FFFFL;
            if (operands.below(6) == 0) {
                b = a;
            }
            int mxcsr = mxcsr();
            host.setVector(0, 0, a);
            host.setVector(1, 0, b);
            host.setMxcsr(mxcsr);
            boolean faulted = !(host.run() instanceof NativeCode.Outcome.Completed);
            c.mxcsr(mxcsr);
            c.enter();
            long actual = instruction.apply(c, a, b);
            String what = String.format("%s %x %x mxcsr %x", hex, a, b, mxcsr);
            assertThat(c.faulted()).as(what).isEqualTo(faulted);
            assertThat(c.mxcsr()).as(what).isEqualTo(host.mxcsr());
            if (!faulted) {
                long expected =
                        switch (result) {
                            case 'x' -> host.vector(0, 0);
                            case 'r' -> host.gpr(NativeCode.RAX);
                            default -> host.flags() & 0x8D5;
                        };
                assertThat(actual & mask).as(what).isEqualTo(expected & mask);
            }
        }
    }

    @Test
    void sseArithmeticIsTheHosts() {
        sse("f20f58c1", 64, 'x', SseMath::addsd);
        sse("f20f5cc1", 64, 'x', SseMath::subsd);
        sse("f20f59c1", 64, 'x', SseMath::mulsd);
        sse("f20f5ec1", 64, 'x', SseMath::divsd);
        sse("f20f51c1", 64, 'x', (x, a, b) -> SseMath.sqrtsd(x, b));
        sse("f20f5dc1", 64, 'x', SseMath::minsd);
        sse("f20f5fc1", 64, 'x', SseMath::maxsd);
        sse("f30f58c1", 32, 'x', (x, a, b) -> SseMath.addss(x, (int) a, (int) b));
        sse("f30f5cc1", 32, 'x', (x, a, b) -> SseMath.subss(x, (int) a, (int) b));
        sse("f30f59c1", 32, 'x', (x, a, b) -> SseMath.mulss(x, (int) a, (int) b));
        sse("f30f5ec1", 32, 'x', (x, a, b) -> SseMath.divss(x, (int) a, (int) b));
        sse("f30f51c1", 32, 'x', (x, a, b) -> SseMath.sqrtss(x, (int) b));
        sse("f30f5dc1", 32, 'x', (x, a, b) -> SseMath.minss(x, (int) a, (int) b));
        sse("f30f5fc1", 32, 'x', (x, a, b) -> SseMath.maxss(x, (int) a, (int) b));
    }

    @Test
    void sseComparisonsAreTheHosts() {
        for (int k = 0; k < 8; k++) {
            int predicate = k;
            sse("f20fc2c10" + k, 64, 'x', (x, a, b) -> SseMath.cmpsd(x, a, b, predicate));
            sse(
                    "f30fc2c10" + k,
                    32,
                    'x',
                    (x, a, b) -> SseMath.cmpss(x, (int) a, (int) b, predicate));
        }
        sse("660f2ec1", 64, 'f', (x, a, b) -> SseMath.ucomisd(x, a, b));
        sse("660f2fc1", 64, 'f', (x, a, b) -> SseMath.comisd(x, a, b));
        sse("0f2ec1", 32, 'f', (x, a, b) -> SseMath.ucomiss(x, (int) a, (int) b));
        sse("0f2fc1", 32, 'f', (x, a, b) -> SseMath.comiss(x, (int) a, (int) b));
    }

    @Test
    void sseConversionsAreTheHosts() {
        sse("f20f5ac1", 32, 'x', (x, a, b) -> SseConvert.cvtsd2ss(x, b));
        sse("f30f5ac1", 64, 'x', (x, a, b) -> SseConvert.cvtss2sd(x, (int) b));
        sse("f20f2cc1", 32, 'r', (x, a, b) -> SseConvert.cvttsd2si32(x, b));
        sse("f20f2dc1", 32, 'r', (x, a, b) -> SseConvert.cvtsd2si32(x, b));
        sse("f2480f2cc1", 64, 'r', (x, a, b) -> SseConvert.cvttsd2si64(x, b));
        sse("f2480f2dc1", 64, 'r', (x, a, b) -> SseConvert.cvtsd2si64(x, b));
        sse("f30f2cc1", 32, 'r', (x, a, b) -> SseConvert.cvttss2si32(x, (int) b));
        sse("f30f2dc1", 32, 'r', (x, a, b) -> SseConvert.cvtss2si32(x, (int) b));
        sse("f3480f2cc1", 64, 'r', (x, a, b) -> SseConvert.cvttss2si64(x, (int) b));
        sse("f3480f2dc1", 64, 'r', (x, a, b) -> SseConvert.cvtss2si64(x, (int) b));
        sse("0f5bc1", 32, 'x', (x, a, b) -> SseConvert.cvtsi2ss(x, (int) b));
        assumeTrue(HostCpu.has(HostCpu.Feature.SSE4_1), "needs SSE4.1");
        for (int k = 0; k < 16; k++) {
            int imm = k;
            String last = "c10" + Integer.toHexString(k);
            sse("660f3a0b" + last, 64, 'x', (x, a, b) -> SseConvert.roundsd(x, b, imm));
        }
    }

    @Test
    void fusedMultiplyAddIsTheHosts() {
        assumeTrue(HostCpu.has(HostCpu.Feature.FMA), "needs FMA3");
        // VFMADD132SD, VFMADD213SD, VFMADD231SD, VFNMSUB231SD xmm0, xmm1, xmm2.
        String[] forms = {"c4e2f199c2", "c4e2f1a9c2", "c4e2f1b9c2", "c4e2f1bfc2"};
        for (int form = 0; form < forms.length; form++) {
            load(forms[form]);
            for (int k = 0; k < CASES; k++) {
                long x = operands.binary64();
                long y = operands.binary64();
                long z = operands.binary64();
                int mxcsr = mxcsr();
                host.setVector(0, 0, x);
                host.setVector(1, 0, y);
                host.setVector(2, 0, z);
                host.setMxcsr(mxcsr);
                boolean faulted = !(host.run() instanceof NativeCode.Outcome.Completed);
                c.mxcsr(mxcsr);
                c.enter();
                long actual =
                        switch (form) {
                            case 0 -> SseMath.fmasd(c, x, z, y, 0, 0);
                            case 1 -> SseMath.fmasd(c, y, x, z, 0, 0);
                            case 2 -> SseMath.fmasd(c, y, z, x, 0, 0);
                            default -> SseMath.fmasd(c, y, z, x, 1, 1);
                        };
                String what = String.format("%s %x %x %x %x", forms[form], x, y, z, mxcsr);
                assertThat(c.faulted()).as(what).isEqualTo(faulted);
                assertThat(c.mxcsr()).as(what).isEqualTo(host.mxcsr());
                if (!faulted) {
                    assertThat(actual).as(what).isEqualTo(host.vector(0, 0));
                }
            }
        }
    }

    /**
     * An x87 instruction with ST(0) and ST(1) in use, ST(7) free, and memory at [RDI]. Of the
     * status word the bits of {@code undefined} are not compared; {@code ulp} is how far ST(0) may
     * be off.
     */
    private void x87(String hex, int undefined, int ulp, X87Instruction instruction) {
        load(hex);
        MemorySegment image = host.fxsave();
        MemorySegment operand = host.stack().asSlice(NativeCode.STACK_SIZE - 64L);
        long[] memory = new long[1];
        for (int k = 0; k < CASES; k++) {
            f.fninit();
            int control = 0x7F | operands.below(16) << 8;
            if (operands.below(3) == 0) {
                control &= ~operands.below(64);
            }
            f.controlWord(control);
            f.statusWord(operands.below(8) << 11);
            for (int i = 0; i < 2; i++) {
                int word = operands.signExponent();
                switch (operands.below(12)) {
                    case 0 -> f.set(i, word & 0x8000, 0);
                    case 1 -> f.set(i, word | 0x7FFF, operands.significand);
                    case 2 -> f.set(i, word | 0x7FFF, 1L << 63);
                    default -> f.set(i, word, operands.significand);
                }
            }
            memory[0] = (k & 1) == 0 ? operands.binary64() : operands.binary32();
            image.set(JAVA_SHORT_UNALIGNED, FCW, (short) f.controlWord());
            image.set(JAVA_SHORT_UNALIGNED, FSW, (short) f.statusWord());
            image.set(JAVA_BYTE, FTW, (byte) f.occupied());
            for (int i = 0; i < 8; i++) {
                image.set(JAVA_LONG_UNALIGNED, ST + 16L * i, f.significand(i));
                image.set(JAVA_LONG_UNALIGNED, ST + 16L * i + 8, f.signExponent(i));
            }
            operand.set(JAVA_LONG_UNALIGNED, 0, memory[0]);
            host.setGpr(NativeCode.RDI, host.stackEnd() - 64);
            host.setFlags(0);
            String what =
                    String.format(
                            "%s cw %x st0 %x:%x st1 %x:%x memory %x",
                            hex,
                            control,
                            f.signExponent(0),
                            f.significand(0),
                            f.signExponent(1),
                            f.significand(1),
                            memory[0]);
            assertThat(host.run()).as(what).isInstanceOf(NativeCode.Outcome.Completed.class);
            instruction.execute(f, memory);
            int status = image.get(JAVA_SHORT_UNALIGNED, FSW) & 0xFFFF;
            assertThat(f.statusWord() & ~undefined).as(what).isEqualTo(status & ~undefined);
            assertThat((byte) f.occupied()).as(what).isEqualTo(image.get(JAVA_BYTE, FTW));
            assertThat(memory[0]).as(what).isEqualTo(operand.get(JAVA_LONG_UNALIGNED, 0));
            for (int i = 0; i < 8; i++) {
                long significand = image.get(JAVA_LONG_UNALIGNED, ST + 16L * i);
                int word = image.get(JAVA_SHORT_UNALIGNED, ST + 16L * i + 8) & 0xFFFF;
                if (i < 2 && ulp != 0) {
                    // Next to a power of two one unit changes the exponent too.
                    long distance = ((long) (word - f.signExponent(i)) << 63);
                    distance = (significand - f.significand(i)) + distance;
                    assertThat(Math.abs(distance)).as(what).isLessThanOrEqualTo(ulp);
                } else {
                    assertThat(f.significand(i)).as(what).isEqualTo(significand);
                    assertThat(f.signExponent(i)).as(what).isEqualTo(word);
                }
            }
        }
    }

    private static final int CODES = X87.C0 | X87.C2 | X87.C3;

    @Test
    void x87ArithmeticIsTheHosts() {
        int[] operations = {
            X87Math.ADD, X87Math.MUL, X87Math.SUB, X87Math.SUBR, X87Math.DIV, X87Math.DIVR
        };
        for (int op : operations) {
            String register = Integer.toHexString(0xC1 + 8 * op);
            String memory = String.format("%02x", 7 + 8 * op);
            x87("d8" + register, CODES, 0, (x, m) -> X87Math.arith(x, op, 0, 1, false));
            x87("d8" + memory, CODES, 0, (x, m) -> X87Math.arithM32(x, op, (int) m[0]));
            x87("dc" + memory, CODES, 0, (x, m) -> X87Math.arithM64(x, op, m[0]));
            x87("da" + memory, CODES, 0, (x, m) -> X87Math.arithInteger(x, op, (int) m[0]));
        }
        x87("dec1", CODES, 0, (x, m) -> X87Math.arith(x, X87Math.ADD, 1, 0, true));
        x87("d9fa", CODES, 0, (x, m) -> X87Math.fsqrt(x));
        x87("d9fc", CODES, 0, (x, m) -> X87Math.frndint(x));
        x87("d9fd", CODES, 0, (x, m) -> X87Math.fscale(x));
        x87("d9f4", CODES, 0, (x, m) -> X87Math.fxtract(x));
        x87("d9e0", CODES, 0, (x, m) -> x.fchs());
        x87("d9e1", CODES, 0, (x, m) -> x.fabs());
    }

    @Test
    void x87ComparisonsLoadsAndStoresAreTheHosts() {
        x87("d8d1", 0, 0, (x, m) -> X87Compare.fcom(x, 1, 0));
        x87("dae9", 0, 0, (x, m) -> X87Compare.fucom(x, 1, 2));
        x87("d9e4", 0, 0, (x, m) -> X87Compare.ftst(x));
        x87("d9e5", 0, 0, (x, m) -> X87Compare.fxam(x));
        x87("dc1f", 0, 0, (x, m) -> X87Compare.fcomM64(x, m[0], 1));
        x87("d907", CODES, 0, (x, m) -> x.fldM32((int) m[0]));
        x87("dd07", CODES, 0, (x, m) -> x.fldM64(m[0]));
        x87("df2f", CODES, 0, (x, m) -> x.fild(m[0]));
        x87("d9eb", CODES, 0, (x, m) -> x.constant(X87.PI));
        x87("d91f", CODES, 0, (x, m) -> store(x, m, 32, x.storeM32()));
        x87("dd1f", CODES, 0, (x, m) -> store(x, m, 64, x.storeM64()));
        x87("df1f", CODES, 0, (x, m) -> store(x, m, 16, x.storeInteger(16)));
        x87("db1f", CODES, 0, (x, m) -> store(x, m, 32, x.storeInteger(32)));
        x87("df3f", CODES, 0, (x, m) -> store(x, m, 64, x.storeInteger(64)));
        assumeTrue(HostCpu.has(HostCpu.Feature.SSE3), "needs SSE3 for FISTTP");
        x87("dd0f", CODES, 0, (x, m) -> store(x, m, 64, x.storeTruncated(64)));
    }

    private static void store(X87 x, long[] memory, int width, boolean stores) {
        if (stores) {
            long mask = width == 64 ? -1L : (1L << width) - 1;
            memory[0] = (memory[0] & ~mask) | (x.storeLow() & mask);
        }
        x.commitStore(true);
    }

    @Test
    void remaindersAreTheHosts() {
        x87("d9f8", 0, 0, (x, m) -> X87Math.fprem(x));
        x87("d9f5", 0, 0, (x, m) -> X87Math.fprem1(x));
    }

    @Test
    void transcendentalsAreWithinOneUnitOfTheHosts() {
        int undefined = CODES | X87.C1;
        int angle = undefined & ~X87.C2;
        x87("d9fe", angle, 1, (x, m) -> X87Transcendental.fsin(x));
        x87("d9ff", angle, 1, (x, m) -> X87Transcendental.fcos(x));
        x87("d9fb", angle, 1, (x, m) -> X87Transcendental.fsincos(x));
        x87("d9f2", angle, 1, (x, m) -> X87Transcendental.fptan(x));
        x87("d9f3", undefined, 1, (x, m) -> X87Transcendental.fpatan(x));
        x87("d9f1", undefined, 1, (x, m) -> X87Transcendental.fyl2x(x));
    }
}
