// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JAE;
import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.JZ;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.R12;
import static dev.frond.cpu.translate.Assembler.R13;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RAX;
import static dev.frond.cpu.translate.Assembler.RBP;
import static dev.frond.cpu.translate.Assembler.RBX;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RDI;
import static dev.frond.cpu.translate.Assembler.RSI;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

/**
 * The fixed pieces of machine code at the start of the code memory. Offsets are from there.
 *
 * <p>Emitted code leaves by a CALL of {@link #exitSaved} or {@link #exit}, followed by the 32-bit
 * number of the site: the return address tells which it was and where to go on.
 */
final class Stubs {
    /**
     * {@code long enter(context, address)}: runs emitted code until it leaves, RCX being what
     * {@link Context#SCRATCH} is.
     */
    final int enter;

    /**
     * As {@link #enter}, after code was written that this processor may have fetched before: that
     * may have been through another mapping (SDM Vol. 3A, 10.1.3).
     */
    final int enterSerialized;

    /** Called to leave with the status flags in the host's. */
    final int exit;

    /** Called to leave with the status flags in {@link Context#FLAGS}. */
    final int exitSaved;

    /** Where the host's faults go on. */
    final int faulted;

    /**
     * Called, followed by the number of a site, when the x87 unit is the guest's no more: loads it
     * and goes on behind, or leaves. Status flags are in the host's; RCX is destroyed.
     */
    final int loadX87;

    /** As {@link #loadX87}, with the status flags saved. */
    final int loadX87Saved;

    /**
     * Called with the target of a jump in RCX that the jump cache does not know, flags being saved.
     * With ZF the jump goes {@link #through} R15; without, the target is not known. RCX is kept.
     */
    final int findJump;

    /**
     * Called with the TLB's entry for the guest's stack in R15: makes that page the {@linkplain
     * Context#stackPage page of the stack}. By way to look at memory, first for loads, then for
     * stores. RCX and flags are destroyed.
     */
    private final int[] takeStack = new int[2 * NativeTlb.CONTEXTS];

    /** Jumped to with the target in RCX and flags saved: goes there, or leaves with site 0. */
    final int jumpFar;

    /** As {@link #jumpFar}, but never looks. */
    final int leaveFar;

    /** The opcode of FRSTOR (/4) and FNSAVE (/6). */
    private static final int FRSTOR = 0xDD;

    private static final int FRSTOR_DIGIT = 4;
    private static final int FNSAVE_DIGIT = 6;

    private static final int NARROW = Assembler.vex(0, false);
    private static final int WIDE = Assembler.vex(0, true);

    /**
     * Emits the stubs.
     *
     * @param context what RSP is while emitted code runs
     * @param wide whether the guest may use the upper halves of vector registers
     */
    Stubs(Assembler a, long context, boolean wide) {
        enterSerialized = a.size();
        // IRETQ serializes, and unlike CPUID needs no hypervisor's help; it goes on behind itself.
        // MOV eax,ss
        a.registers(0, 0, 0x8C, 2, RAX);
        a.push(RAX);
        a.lea(RAX, RSP, 8);
        a.push(RAX);
        // PUSHFQ; MOV eax,cs
        a.byte1(0x9C);
        a.registers(0, 0, 0x8C, 1, RAX);
        a.push(RAX);
        // LEA rax,[rip + 3]: behind the IRETQ
        a.plain(W, 0, 0x8D);
        a.byte1(0x05);
        a.int4(3);
        a.push(RAX);
        a.plain(W, 0, 0xCF);
        enter = a.size();
        int[] kept = {RBX, RBP, R12, R13, R14, R15};
        for (int register : kept) {
            a.push(register);
        }
        a.store(RDI, Context.HOST_RSP, RSP);
        a.move(RSP, RDI);
        a.store(RSP, Context.TEMPORARY, RSI);
        a.memory(0, 1, 0xAE, 3, RSP, Context.HOST_MXCSR);
        a.memory(0, 1, 0xAE, 2, RSP, Context.MXCSR);
        loadVectors(a, wide);
        int away = unlessX87(a);
        a.memory(0, 0, FRSTOR, FRSTOR_DIGIT, RSP, X87State.IMAGE);
        a.land4(away);
        a.load4(RAX, RSP, Context.FLAGS);
        a.restoreFlagsFromAx();
        for (int guest = 0; guest < Context.FIRST_SPILLED; guest++) {
            a.load(Context.host(guest), RSP, Context.slot(guest));
        }
        a.load(RCX, RSP, Context.SCRATCH);
        a.memory(0, 0, 0xFF, 4, RSP, Context.TEMPORARY);

        exit = a.size();
        // The call has moved RSP by 8.
        a.store(RSP, 8 + Context.TEMPORARY, RAX);
        a.saveFlagsToAx();
        a.store4(RSP, 8 + Context.FLAGS, RAX);
        a.load(RAX, RSP, 8 + Context.TEMPORARY);
        exitSaved = a.size();
        a.store(RSP, 8 + Context.SCRATCH, RCX);
        a.pop(RCX);
        int store = a.jump();

        faulted = a.size();
        // Wherever the code that failed has left it.
        a.moveImmediate(RSP, context);
        a.registers(0, 0, 0x33, RCX, RCX);

        a.land4(store);
        a.store(RSP, Context.EXIT, RCX);
        a.store(RSP, Context.SCRATCH2, R15);
        for (int guest = 0; guest < Context.FIRST_SPILLED; guest++) {
            a.store(RSP, Context.slot(guest), Context.host(guest));
        }
        storeVectors(a, wide);
        int unused = unlessX87(a);
        // FNSAVE leaves the unit as FNINIT does, and as the caller wants it.
        a.memory(0, 0, FRSTOR, FNSAVE_DIGIT, RSP, X87State.IMAGE);
        a.land4(unused);
        a.memory(0, 1, 0xAE, 3, RSP, Context.MXCSR);
        a.memory(0, 1, 0xAE, 2, RSP, Context.HOST_MXCSR);
        a.load(RSP, RSP, Context.HOST_RSP);
        for (int i = kept.length - 1; i >= 0; i--) {
            a.pop(kept[i]);
        }
        a.ret();

        loadX87 = loadX87(a, exit);
        loadX87Saved = loadX87(a, exitSaved);

        findJump = findJump(a);
        for (int how = 0; how < NativeTlb.CONTEXTS; how++) {
            takeStack[2 * how] = takeStack(a, how, false);
            takeStack[2 * how + 1] = takeStack(a, how, true);
        }

        jumpFar = a.size();
        int farPoll = poll(a);
        probe(a);
        int there = a.jump(JZ);
        a.byte1(0xE8);
        a.int4(findJump - a.size() - 4);
        int farMiss = a.jump(JNZ);
        a.land4(there);
        through(a);
        a.land4(farMiss);
        a.land4(farPoll);
        leaveFar = a.size();
        leave(a);
        a.int4(0);
    }

    /**
     * Leaves the upper halves as hardware has them after VZEROUPPER if the guest has nothing there:
     * processors execute SSE instructions slower after a 256-bit load.
     */
    private static void loadVectors(Assembler a, boolean wide) {
        int loaded = 0;
        if (wide) {
            // CMP dword [UPPER],0
            a.memory(0, 0, 0x83, 7, RSP, Context.UPPER);
            a.byte1(0);
            int narrow = a.jump(JZ);
            for (int i = 0; i < 16; i++) {
                // VMOVUPS ymm,[vector]
                a.memory(WIDE, 1, 0x10, i, RSP, Context.VECTORS + 32 * i);
            }
            loaded = a.jump();
            a.land4(narrow);
            zeroUpper(a);
        }
        for (int i = 0; i < 16; i++) {
            a.memory(0, 1, 0x10, i, RSP, Context.VECTORS + 32 * i);
        }
        if (wide) {
            a.land4(loaded);
        }
    }

    private static void storeVectors(Assembler a, boolean wide) {
        if (!wide) {
            for (int i = 0; i < 16; i++) {
                a.memory(0, 1, 0x11, i, RSP, Context.VECTORS + 32 * i);
            }
            return;
        }
        for (int i = 0; i < 16; i++) {
            a.memory(WIDE, 1, 0x11, i, RSP, Context.VECTORS + 32 * i);
        }
        // Whether any upper half is not 0: VORPS them all to ymm0, VEXTRACTF128, VPTEST, SETNZ.
        for (int i = 1; i < 16; i++) {
            a.registers(WIDE, 1, 0x56, 0, i);
        }
        a.registers(WIDE | P66, 3, 0x19, 0, 0);
        a.byte1(1);
        a.registers(NARROW | P66, 2, 0x17, 0, 0);
        a.memory(0, 1, 0x95, 0, RSP, Context.UPPER);
        zeroUpper(a);
    }

    private static void zeroUpper(Assembler a) {
        a.plain(NARROW, 1, 0x77);
    }

    /** A jump that is taken while the host's x87 unit is not the guest's. */
    private static int unlessX87(Assembler a) {
        // CMP dword [AWAY],0
        a.memory(0, 0, 0x83, 7, RSP, X87State.AWAY);
        a.byte1(0);
        return a.jump(JNZ);
    }

    private static int loadX87(Assembler a, int exit) {
        int start = a.size();
        // The call has moved RSP by 8. Nothing here changes flags.
        a.load4(RCX, RSP, 8 + X87State.GIVEN);
        int absent = a.jrcxz();
        a.memory(0, 0, FRSTOR, FRSTOR_DIGIT, RSP, 8 + X87State.IMAGE);
        a.storeImmediate4(RSP, 8 + X87State.AWAY, 0);
        a.storeImmediate4(RSP, 8 + X87State.USED, 1);
        a.pop(RCX);
        a.lea(RCX, RCX, 4);
        // JMP rcx
        a.registers(0, 0, 0xFF, 4, RCX);
        a.land1(absent);
        int displacement = a.jump();
        a.patch4(displacement, exit - displacement - 4);
        return start;
    }

    private static int poll(Assembler a) {
        // CMP dword [POLL],0
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        return a.jump(JNZ);
    }

    /** The stub that takes a page of the stack for loads, or for stores. */
    int takeStack(int how, boolean write) {
        return takeStack[2 * how + (write ? 1 : 0)];
    }

    private static int takeStack(Assembler a, int how, boolean write) {
        int start = a.size();
        // The call has moved RSP by 8.
        int entry = 8 + NativeTlb.table(how);
        int page = 8 + Context.stackPage(how);
        int known = write ? NativeTlb.WRITE : NativeTlb.READ;
        int other = write ? NativeTlb.READ : NativeTlb.WRITE;
        a.memory(W, 0, 0x8B, RCX, RSP, R15, 0, entry + known);
        a.store(RSP, page + (write ? Context.STACK_WRITE : Context.STACK_READ), RCX);
        a.memory(W, 0, 0x3B, RCX, RSP, R15, 0, entry + other);
        int both = a.jump(JZ);
        a.moveImmediate(RCX, Context.NO_STACK);
        a.land4(both);
        a.store(RSP, page + (write ? Context.STACK_READ : Context.STACK_WRITE), RCX);
        a.memory(W, 0, 0x8B, RCX, RSP, R15, 0, entry + NativeTlb.HOST);
        a.memory(W, 0, 0x2B, RCX, RSP, R15, 0, entry + known);
        a.store(RSP, page + Context.STACK_HOST, RCX);
        a.ret();
        return start;
    }

    /** What {@link Context#putBlock} has put. */
    private static int findJump(Assembler a) {
        int start = a.size();
        // The call has moved RSP by 8.
        a.store(RSP, 8 + Context.TEMPORARY, RAX);
        // The page: its linear address and the way to execute. AND rax,~0FFFh; SHR r15d; ADD
        // rax,r15
        a.move(RAX, RCX);
        a.registers(W, 0, 0x81, 4, RAX);
        a.int4(-4096);
        a.load4(R15, RSP, 8 + Context.JUMP_TABLE);
        a.registers(0, 0, 0xC1, 5, R15);
        a.byte1(Integer.numberOfTrailingZeros(Context.JUMP_TABLE_SIZE));
        a.registers(W, 0, 0x03, RAX, R15);
        // Its entry: SHR r15d,12; AND r15d,entries - 1; SHL r15d,4
        a.move4(R15, RCX);
        a.registers(0, 0, 0xC1, 5, R15);
        a.byte1(12);
        a.registers(0, 0, 0x81, 4, R15);
        a.int4(Context.CODE_PAGE_ENTRIES - 1);
        a.registers(0, 0, 0xC1, 4, R15);
        a.byte1(4);
        a.memory(W, 0, 0x3B, RAX, RSP, R15, 0, 8 + Context.CODE_PAGES);
        int noPage = a.jump(JNZ);
        // Where the block is: AND eax,0FFFh; ADD rax,[page]
        a.move4(RAX, RCX);
        a.registers(0, 0, 0x81, 4, RAX);
        a.int4(4095);
        a.memory(W, 0, 0x03, RAX, RSP, R15, 0, 8 + Context.CODE_PAGES + 8);
        blockEntry(a);
        a.memory(W, 0, 0x3B, RAX, RSP, R15, 0, 8 + Context.BLOCKS);
        int noBlock = a.jump(JNZ);
        a.memory(W, 0, 0x8B, RAX, RSP, R15, 0, 8 + Context.BLOCKS + 8);
        a.store(RSP, 8 + Context.JUMP_CACHE + Context.SPARE_JUMP + 8, RAX);
        // The jump cache learns it if there is room in the list of what it must forget.
        a.load4(RAX, RSP, 8 + Context.LOCAL_JUMP_COUNT);
        a.registers(0, 0, 0x81, 7, RAX);
        a.int4(Context.MAX_LOCAL_JUMPS);
        int full = a.jump(JAE);
        jumpEntry(a);
        a.memory(0, 0, 0x03, R15, RSP, 8 + Context.JUMP_TABLE);
        a.memory(0, 0, 0x89, R15, RSP, RAX, 2, 8 + Context.LOCAL_JUMPS);
        a.lea(RAX, RAX, 1);
        a.store4(RSP, 8 + Context.LOCAL_JUMP_COUNT, RAX);
        a.load(RAX, RSP, 8 + Context.JUMP_CACHE + Context.SPARE_JUMP + 8);
        a.memory(W, 0, 0x89, RAX, RSP, R15, 0, 8 + Context.JUMP_CACHE + 8);
        a.memory(W, 0, 0x89, RCX, RSP, R15, 0, 8 + Context.JUMP_CACHE);
        int learned = a.jump();
        a.land4(full);
        a.moveImmediate(R15, Context.SPARE_JUMP);
        a.land4(learned);
        // CMP eax,eax
        a.registers(0, 0, 0x3B, RAX, RAX);
        a.land4(noPage);
        a.land4(noBlock);
        a.load(RAX, RSP, 8 + Context.TEMPORARY);
        a.ret();
        return start;
    }

    /** Lets R15 be the offset of the block's entry for what is in RAX. */
    private static void blockEntry(Assembler a) {
        a.move4(R15, RAX);
        // SHR r15d,12; XOR r15d,eax; AND r15d,entries - 1; SHL r15d,4
        a.registers(0, 0, 0xC1, 5, R15);
        a.byte1(12);
        a.registers(0, 0, 0x33, R15, RAX);
        a.registers(0, 0, 0x81, 4, R15);
        a.int4(Context.BLOCK_ENTRIES - 1);
        a.registers(0, 0, 0xC1, 4, R15);
        a.byte1(4);
    }

    /** Lets R15 be the offset of the entry for the target in RCX from the start of a jump table. */
    private static void jumpEntry(Assembler a) {
        a.move4(R15, RCX);
        // AND r15d,entries - 1; SHL r15d,4
        a.registers(0, 0, 0x81, 4, R15);
        a.int4(Context.JUMP_ENTRIES - 1);
        a.registers(0, 0, 0xC1, 4, R15);
        a.byte1(4);
    }

    /** Compares RCX with the entry that R15 then is the offset of. */
    static void probe(Assembler a) {
        jumpEntry(a);
        // ADD r15d,[table]
        a.memory(0, 0, 0x03, R15, RSP, Context.JUMP_TABLE);
        a.memory(W, 0, 0x3B, RCX, RSP, R15, 0, Context.JUMP_CACHE);
    }

    static void through(Assembler a) {
        a.memory(0, 0, 0xFF, 4, RSP, R15, 0, Context.JUMP_CACHE + 8);
    }

    private void leave(Assembler a) {
        a.byte1(0xE8);
        a.int4(exitSaved - a.size() - 4);
    }
}
