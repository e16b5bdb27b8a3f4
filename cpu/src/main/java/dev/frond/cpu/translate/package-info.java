// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The translating engine: 64-bit guest code is re-emitted as host machine code.
 *
 * <p>Guest and host speak the same language, so that most instructions keep their opcode and get
 * other register numbers and another memory operand. While emitted code runs, RSP points to the
 * CPU's {@link dev.frond.cpu.translate.Context}, guest registers and status flags are in host
 * registers and flags, RCX and R15 are scratch. A memory operand's address is looked up in a native
 * copy of the TLB; what that cannot do, and each instruction that is not taken, leaves the emitted
 * code with the state exact at the instruction's start, and the interpreter executes that one
 * instruction. Blocks belong to a page of main memory and an offset in it, as the interpreter's do;
 * jumps within a page are linked by patching, all others go through a cache of jump targets.
 *
 * <p>Status flags are destroyed by TLB look-ups. Where the guest may still read them they are saved
 * first, and restored when somebody does. Where the guest overwrites them before it reads them, the
 * flags that a fault or an exit in between shows are unspecified.
 */
@org.jspecify.annotations.NullMarked
package dev.frond.cpu.translate;
