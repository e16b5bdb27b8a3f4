// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Floating point of x86 in software: bit-exact results and exactly the flags of the processor, for
 * SSE (and the scalar meaning of AVX, FMA3, F16C) and for the x87 unit with MMX.
 *
 * <h2>Layers</h2>
 *
 * <table>
 *   <caption>From the instruction down</caption>
 *   <tr><td>{@link dev.frond.cpu.fpu.SseMath}, {@link dev.frond.cpu.fpu.SseConvert}</td>
 *       <td>one method per instruction and element, on raw bits; the fast paths</td></tr>
 *   <tr><td>{@link dev.frond.cpu.fpu.FpContext}</td>
 *       <td>MXCSR and the unmasked exceptions of the instruction in progress</td></tr>
 *   <tr><td>{@link dev.frond.cpu.fpu.X87}</td>
 *       <td>the register stack, control, loads, stores, moves, MMX</td></tr>
 *   <tr><td>{@link dev.frond.cpu.fpu.X87Math}, {@link dev.frond.cpu.fpu.X87Compare},
 *       {@link dev.frond.cpu.fpu.X87Transcendental}</td>
 *       <td>what the x87 instructions compute</td></tr>
 *   <tr><td>{@link dev.frond.cpu.fpu.X87Image}</td>
 *       <td>FNSTENV, FNSAVE, FXSAVE, the legacy region of XSAVE; saved state</td></tr>
 *   <tr><td>{@code SseSoft}, {@code SoftFloat}, {@code SoftRound}</td>
 *       <td>the exact path: NaN rules of SSE; the operations; rounding with every flag</td></tr>
 *   <tr><td>{@code Unpacked}, {@code FpEnv}, {@code Wide}, {@code Quad}</td>
 *       <td>an operand taken apart; the working store of an operation; 128-bit helpers</td></tr>
 * </table>
 *
 * <p>All formats share one operand form, a 64-bit significand with its top bit set, so that each
 * operation exists once: unpack, operate exactly (or with a sticky bit), round into the format,
 * pack. Nothing is allocated: results go through the fields of an {@code FpEnv} that each CPU owns.
 *
 * <h2>Fast paths</h2>
 *
 * <p>Java's float and double arithmetic is IEEE 754 to nearest. An SSE operation is one host
 * operation when MXCSR says nearest and all masked, operands and result are normal or zero, and PE
 * is already set or provably not raised (an error-free transformation tells). Programs reach that
 * state with their first inexact result. Everything else, about 20 times slower, is the exact path.
 *
 * <h2>How the CPU uses it</h2>
 *
 * <p>SSE: {@code c.enter()}; compute all elements; {@code if (c.faulted())} raise #XM and write
 * nothing; else write the destination. x87, before a waiting instruction: {@code
 * pendingException()} raises #MF. Stores to memory have two steps, because the write may fault:
 * {@code storeM64()} computes without changing the unit and tells whether to write, then the CPU
 * writes {@code storeLow()}, then {@code commitStore(pop)} raises flags and pops.
 *
 * <h2>What the manuals leave open</h2>
 *
 * <p>Where the SDM calls a bit or a response undefined, the choice is what processors were seen to
 * do:
 *
 * <ul>
 *   <li>IE and ZE hide DE. Tininess is found after rounding, for SSE and x87.
 *   <li>A load of a denormal with DE unmasked still pushes it. FLD ST(i) of an empty register onto
 *       a full stack is an underflow.
 *   <li>A store to memory that an unmasked OE or UE suppresses raises no PE.
 *   <li>FPREM and FPREM1 reduce 32 + (difference mod 32) exponent bits in a partial step.
 *   <li>Precision control 01 is 64 bits. FBLD counts a digit above 9 as its value.
 *   <li>Outside their ranges F2XM1 (beyond 1) and FYL2XP1 (below -1) give ST(0) and PE; the exact
 *       results of F2XM1 and FYL2X raise PE too.
 *   <li>FXTRACT, FSINCOS and FPTAN check for an empty ST(0) before they check for a free register.
 * </ul>
 *
 * <p>Where the SDM speaks and some processors differ, the SDM is followed: FCOMI and FUCOMI clear
 * C1, and leave ZF, PF and CF alone when an unmasked invalid operation stops them.
 *
 * <p>RCPPS and RSQRTPS results differ between processor makes; here they are the true values
 * rounded to 12 bits. The transcendentals are correctly rounded (but for about one argument in
 * 2^50) where processors err by up to one unit in the last place.
 */
@NullMarked
package dev.frond.cpu.fpu;

import org.jspecify.annotations.NullMarked;
