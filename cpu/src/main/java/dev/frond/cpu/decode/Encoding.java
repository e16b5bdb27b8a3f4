// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.decode;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The encodings of one instruction, beside its meaning: on the method that is its meaning, or on
 * the {@link dev.frond.cpu.interp.Node} class that executes it. The annotation processor makes the
 * decoder's {@link Form}s and the interpreter's nodes from it.
 *
 * <p>One line is {@code opcode : MNEMONIC operands : attributes}, in the letters of SDM Vol. 2D,
 * A.2:
 *
 * <ul>
 *   <li>opcode: an optional mandatory prefix ({@code NP 66 F3 F2}), {@code W0} or {@code W1} where
 *       REX.W selects, {@code 0F}, {@code 0F 38} or {@code 0F 3A}, the opcode byte; {@code 40+r}
 *       for a register in its low three bits, {@code 70+cc} for sixteen conditions; {@code /r}, a
 *       digit {@code /0..7} or a whole ModRM byte {@code =C8}; then {@code mem} or {@code reg}
 *       where only that form exists.
 *   <li>or a VEX prefix, {@code VEX.128.66.0F38.W0 opcode /r}: the length {@code 128}, {@code 256}
 *       or {@code LIG} (L is ignored), none for both; the mandatory prefix, {@code NP} for none;
 *       the opcode map; {@code W0}, {@code W1}, or {@code WIG} or nothing where W does not select.
 *   <li>operands: see {@link Operand}.
 *   <li>attributes: {@code lock} (LOCK allowed on memory), {@code o64} only and {@code i64} not in
 *       64-bit mode, {@code d64} 64-bit operands by default and {@code f64} always in 64-bit mode,
 *       {@code cpl0}, {@code end} (ends a block: the instruction pointer or what code means may
 *       change), {@code +NAME} the {@link dev.frond.machine.vcpu.CpuFeature} that must be offered,
 *       {@code +NAME/NAME} for 128 and for 256 bits; for vectors {@code unaligned}, {@code
 *       aligned}, {@code across}, {@code count}, {@code halves}, {@code ib>>n}, {@code vsib} and
 *       the orders {@code 132}, {@code 213}, {@code 231}, see below.
 * </ul>
 *
 * <p>The meaning is a static method. Its parameters are, in this order: {@code Cpu cpu}; {@code int
 * size}, the operand size in bytes, or {@code int cc}, the condition, both constants in the
 * generated node; then one {@code long} for each operand that it reads, with unspecified bits above
 * the operand's width. A result goes to the first operand, which is read only if there are as many
 * values as operands. Or its parameters are {@code Cpu cpu, Insn insn}, and it does everything
 * itself.
 *
 * <p>With MMX, XMM or YMM registers among the operands the node first makes sure that they may be
 * used and that 16 bytes of memory are aligned, unless {@code unaligned}; after a VEX prefix only
 * if {@code aligned}. The meaning then is one of
 *
 * <ul>
 *   <li>lanes, {@code long paddd(long a, long b)}: 64 bits at a time, once for MMX, twice for XMM
 *       and four times for YMM registers ({@code Vx}, {@code Hx}, {@code Wx}). With {@code count}
 *       all see the low 64 bits of the last source; with {@code across} the low half of 128 bits
 *       comes from both halves of the first source, the high half from those of the second, as
 *       horizontal and packing instructions have it.
 *   <li>a scalar, {@code long addsd(FpContext c, long a, long b)} or {@code int addss(FpContext c,
 *       int a, int b)}: {@code Vsd} and {@code Vss} keep the rest of the register, or have that of
 *       an operand {@code Hsd} or {@code Hss} between result and sources; {@code Vq}, {@code Vd}
 *       and {@code Vy} clear it.
 *   <li>a whole vector of 128 bits, {@code void pshufb(long[] v, int d, int a, int b)}: the places
 *       in {@link dev.frond.cpu.Cpu#v} of the destination, named {@code d}, and of each vector that
 *       is read, which may be the same; values otherwise. A result instead of {@code d} goes to the
 *       first operand. With 256 bits it is called for each half, for the upper one with an
 *       immediate shifted right as {@code ib>>n} says; with {@code halves} each call gets one half
 *       of the last operand. A destination of type {@code qq} has it called once, for all 256 bits.
 * </ul>
 *
 * <p>A meaning that takes an {@code FpContext} may raise SIMD floating-point exceptions: nothing is
 * written if one is unmasked. A VEX encoding clears what is above its result. {@code 132} and its
 * like are the order in which a fused multiply-add takes its operands; {@code vsib} says that the
 * index of the memory operand is a vector register.
 */
@Retention(RetentionPolicy.CLASS)
@Target({ElementType.METHOD, ElementType.TYPE})
public @interface Encoding {
    /** The lines. */
    String[] value();

    /**
     * Status flags that the manual leaves undefined, as in {@code "SF ZF AF PF"}; for the tests.
     */
    String undefined() default "";
}
