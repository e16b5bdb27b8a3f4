// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JA;
import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.translate.CodeStore.Kind;

/**
 * Emits what systems need often: changes of privilege, of RFLAGS beyond the status flags, of FS and
 * GS. Whatever is not as a system of today has it is left to the interpreter, before anything has
 * changed.
 */
final class SystemEmitter {
    /** What RFLAGS may have besides 0 when SYSRET and IRET are executed here. */
    private static final int PLAIN_FLAGS = Cpu.STATUS | Cpu.IF | 2;

    private final BlockTranslator block;
    private final Assembler a;
    private final Stubs stubs;
    private final NarrowStackEmitter stack;

    SystemEmitter(BlockTranslator block, Assembler a, Stubs stubs, NarrowStackEmitter stack) {
        this.block = block;
        this.a = a;
        this.stubs = stubs;
        this.stack = stack;
    }

    // --- flags ----------------------------------------------------------------------------------

    /** CLI and STI. */
    void interruptFlag(Insn insn) {
        if (insn.opcode == 0xFB) {
            // If an interrupt waits for it, the interpreter sets the flag.
            block.unlessZero(insn, Context.HELD);
        }
        a.storeImmediate4(RSP, Context.INTERRUPTS, insn.opcode & 1);
    }

    /** CLD, or CLAC: most often their flag is clear. */
    void clearFlag(Insn insn) {
        if (insn.form.map() == 0) {
            // DF with TF, IOPL and NT.
            block.unlessZero(insn, Context.SYSTEM_FLAGS + 1);
        } else if ((block.mode() & Modes.ACCESS) == 0) {
            // AC with VIF, VIP and ID.
            block.unlessZero(insn, Context.SYSTEM_FLAGS + 2);
        } else {
            a.load4(RCX, RSP, Context.SYSTEM_FLAGS);
            block.saveLiveFlags();
            // AND ecx,~AC
            a.registers(0, 0, 0x81, 4, RCX);
            a.int4(~Cpu.AC);
            accessChanged(block.mode() & ~Modes.ACCESS);
        }
    }

    /** STAC: from here on memory is accessed in another way. */
    void setAccess(Insn insn) {
        // Without CR4.SMAP it would not be.
        block.unlessEqual(insn, Context.SMAP, 1);
        a.load4(RCX, RSP, Context.SYSTEM_FLAGS);
        // OR ecx,AC
        a.registers(0, 0, 0x81, 1, RCX);
        a.int4(Cpu.AC);
        accessChanged(block.mode() | Modes.ACCESS);
    }

    private void accessChanged(int mode) {
        a.store4(RSP, Context.SYSTEM_FLAGS, RCX);
        changed(Context.ACCESS_CHANGED);
        a.storeImmediate4(RSP, Context.JUMP_TABLE, Context.jumpTable(mode));
        block.mode(mode);
    }

    /** OR dword [CHANGED],bit: destroys the flags. */
    private void changed(int bit) {
        a.memory(0, 0, 0x83, 1, RSP, Context.CHANGED);
        a.byte1(bit);
    }

    void pushFlags(Insn insn) {
        joinFlags();
        a.store(RSP, Context.TARGET, R15);
        if (insn.size < 8) {
            stack.pushTarget(insn.size);
            return;
        }
        a.lea(RCX, R14, -8);
        block.check(8, true);
        a.load(R15, RSP, Context.TARGET);
        a.store(RCX, 0, R15);
        a.lea(R14, R14, -8);
    }

    /** Lets R15 be RFLAGS. */
    private void joinFlags() {
        block.saveFlags();
        // AH and AL of the saved flags to their places, then IF and the rest.
        a.memory(0, 1, 0xB6, R15, RSP, Context.FLAGS + 1);
        a.memory(0, 1, 0xB6, RCX, RSP, Context.FLAGS);
        shiftAndOr(11);
        a.load4(RCX, RSP, Context.INTERRUPTS);
        shiftAndOr(9);
        a.memory(0, 0, 0x0B, R15, RSP, Context.SYSTEM_FLAGS);
    }

    /** SHL ecx,bits; OR r15d,ecx. */
    private void shiftAndOr(int bits) {
        a.registers(0, 0, 0xC1, 4, RCX);
        a.byte1(bits);
        a.registers(0, 0, 0x0B, R15, RCX);
    }

    /** Lets RFLAGS be {@link #PLAIN_FLAGS} of a register that is neither RCX nor R15. */
    private void splitFlags(int register) {
        bits(register, 11);
        // MOVZX ecx,low byte
        a.registers(0, 1, 0xB6, RCX, register);
        shiftAndOr(8);
        a.store4(RSP, Context.FLAGS, R15);
        bits(register, 9);
        a.store4(RSP, Context.INTERRUPTS, R15);
        a.storeImmediate4(RSP, Context.SYSTEM_FLAGS, 2);
    }

    /** Lets R15 be one bit of a register. */
    private void bits(int register, int bit) {
        a.move4(R15, register);
        a.registers(0, 0, 0xC1, 5, R15);
        a.byte1(bit);
        // AND r15d,1
        a.registers(0, 0, 0x83, 4, R15);
        a.byte1(1);
    }

    // --- SYSCALL, SYSRET, IRET ------------------------------------------------------------------

    void systemCall(Insn insn) {
        block.saveFlags();
        block.unlessEqual(insn, Context.SYSCALL_MODE, block.mode() & ~Modes.USER);
        joinFlags();
        a.move(Context.host(11), R15);
        a.load(RCX, RSP, Context.CODE_BASE);
        a.lea(Context.host(Cpu.RCX), RCX, insn.offset + insn.length);
        keepFlags(Context.FLAGS, Context.KEPT_FLAGS);
        keepFlags(Context.SYSTEM_FLAGS, Context.KEPT_SYSTEM_FLAGS);
        keepFlags(Context.INTERRUPTS, Context.KEPT_INTERRUPTS);
        changePrivilege(Context.SYSCALL_SELECTORS, Context.ENTERED, block.mode() & ~Modes.USER);
        a.load(RCX, RSP, Context.LSTAR);
        block.toStub(a.jump(), stubs.jumpFar);
    }

    private void keepFlags(int flags, int mask) {
        a.load4(RCX, RSP, mask);
        // AND [flags],ecx
        a.memory(0, 0, 0x21, RCX, RSP, flags);
    }

    private void changePrivilege(int selectors, int changed, int mode) {
        a.load(RCX, RSP, selectors);
        a.store(RSP, Context.SELECTORS + 4 * Seg.CS, RCX);
        a.storeImmediate4(RSP, Context.CHANGED, changed);
        a.storeImmediate4(RSP, Context.JUMP_TABLE, Context.jumpTable(mode));
        // It was found out for other segments.
        a.storeImmediate4(RSP, Context.IRET_INNER, 0);
        block.countBlock();
    }

    void systemReturn(Insn insn) {
        block.saveFlags();
        int user = block.mode() | Modes.USER;
        block.unlessEqual(insn, Context.SYSRET_MODE, user);
        // If an interrupt waits for IF, the interpreter sets the flag.
        block.unlessEqual(insn, Context.HELD, 0);
        int r11 = Context.host(11);
        unlessPlain(insn, r11, PLAIN_FLAGS);
        int target = Context.host(Cpu.RCX);
        a.move(R15, target);
        unlessLower(insn);
        splitFlags(r11);
        changePrivilege(Context.SYSRET_SELECTORS, Context.RETURNED, user);
        a.move(RCX, target);
        block.toStub(a.jump(), stubs.jumpFar);
    }

    /** Leaves the instruction if a register has other flags than these. */
    private void unlessPlain(Insn insn, int register, int flags) {
        // TEST register,~flags
        a.registers(0, 0, 0xF7, 0, register);
        a.int4(~flags);
        block.alone(insn, JNZ);
    }

    /** Leaves the instruction unless R15 is an address in the lower half. */
    private void unlessLower(Insn insn) {
        // SHR r15,47
        a.registers(W, 0, 0xC1, 5, R15);
        a.byte1(47);
        block.alone(insn, JNZ);
    }

    /**
     * IRET with operands of 8 bytes, to user mode, or to where CS and SS stay what they are: if the
     * descriptors that it names are those of flat segments.
     */
    void interruptReturn(Insn insn) {
        block.saveFlags();
        block.unlessEqual(insn, Context.HELD, 0);
        a.move(RCX, R14);
        block.check(40, false);
        copy(Context.FRAME_RIP, 0);
        copy(Context.FRAME_RFLAGS, 16);
        copy(Context.FRAME_RSP, 24);
        // Both selectors to R15, as the context has them.
        a.memory(0, 1, 0xB7, R15, RCX, 32);
        a.registers(W, 0, 0xC1, 4, R15);
        a.byte1(32);
        a.memory(0, 1, 0xB7, RCX, RCX, 8);
        a.registers(W, 0, 0x0B, R15, RCX);
        // CMP r15,[selectors]
        a.memory(W, 0, 0x3B, R15, RSP, Context.SYSRET_SELECTORS);
        int inner = a.jump(JNZ);
        int user = block.mode() | Modes.USER;
        block.unlessEqual(insn, Context.IRET_MODE, user);
        unlessDescriptor(insn, Context.USER_CODE);
        unlessDescriptor(insn, Context.USER_STACK);
        a.load(R15, RSP, Context.FRAME_RIP);
        unlessLower(insn);
        commitReturn(insn, Context.RETURNED | Context.RESUMED, user);

        a.land4(inner);
        a.memory(W, 0, 0x3B, R15, RSP, Context.SELECTORS + 4 * Seg.CS);
        block.alone(insn, JNZ);
        block.unlessEqual(insn, Context.IRET_INNER, 1);
        unlessDescriptor(insn, Context.INNER_CODE);
        unlessDescriptor(insn, Context.INNER_STACK);
        // Canonical: SAR r15,47; ADD r15,1; CMP r15,1
        a.load(R15, RSP, Context.FRAME_RIP);
        a.registers(W, 0, 0xC1, 7, R15);
        a.byte1(47);
        a.registers(W, 0, 0x83, 0, R15);
        a.byte1(1);
        a.registers(W, 0, 0x83, 7, R15);
        a.byte1(1);
        block.alone(insn, JA);
        commitReturn(insn, Context.RESUMED, block.mode());
    }

    private void copy(int to, int from) {
        a.load(R15, RCX, from);
        a.store(RSP, to, R15);
    }

    /** Leaves the instruction unless a descriptor in memory is the one of a flat segment. */
    private void unlessDescriptor(Insn insn, int place) {
        a.load(RCX, RSP, place);
        block.check(8, false);
        a.load(RCX, RCX, 0);
        a.memory(W, 0, 0x3B, RCX, RSP, place + 8);
        block.alone(insn, JNZ);
    }

    /** The rest of IRET, after which nothing can be wrong. */
    private void commitReturn(Insn insn, int changed, int mode) {
        a.load4(R15, RSP, Context.FRAME_RFLAGS);
        unlessPlain(insn, R15, PLAIN_FLAGS | Cpu.RF);
        // RSP is free: its new value comes last.
        a.move4(R14, R15);
        splitFlags(R14);
        if ((mode & Modes.USER) != 0) {
            changePrivilege(Context.SYSRET_SELECTORS, changed, mode);
        } else {
            changed(changed);
            block.countBlock();
        }
        a.load(R14, RSP, Context.FRAME_RSP);
        a.load(RCX, RSP, Context.FRAME_RIP);
        block.toStub(a.jump(), stubs.jumpFar);
    }

    // --- segments -------------------------------------------------------------------------------

    void swapGs() {
        a.load(RCX, RSP, Context.GS_BASE);
        a.load(R15, RSP, Context.KERNEL_GS_BASE);
        a.store(RSP, Context.GS_BASE, R15);
        a.store(RSP, Context.KERNEL_GS_BASE, RCX);
    }

    /** MOV from a segment register to a general one. */
    void moveSelector(Insn insn) {
        int to = Context.isSpilled(insn.rm) ? R15 : Context.host(insn.rm);
        if (insn.size == 2 && to == R15) {
            a.load(R15, RSP, Context.slot(insn.rm));
        }
        a.memory(insn.size == 2 ? P66 : 0, 0, 0x8B, to, RSP, Context.SELECTORS + 4 * insn.reg);
        block.writeBack(Shape.Kind.GENERAL, insn.rm, R15);
    }

    /** MOV to a segment register in real and virtual-8086 mode. */
    void loadSelector(Insn insn) {
        if (insn.memory) {
            block.access(insn, 2, false);
            a.load4OrLess(2, RCX, RCX);
        } else {
            block.saveLiveFlags();
            // MOVZX ecx,word
            a.registers(0, 1, 0xB7, RCX, Context.host(insn.rm));
        }
        loadSelector(insn.reg);
    }

    /** Loads RCX to a segment register in real and virtual-8086 mode; destroys the flags. */
    void loadSelector(int segment) {
        a.registers(0, 1, 0xB7, RCX, RCX);
        a.store4(RSP, Context.SELECTORS + 4 * segment, RCX);
        // SHL ecx,4
        a.registers(0, 0, 0xC1, 4, RCX);
        a.byte1(4);
        a.store(RSP, Context.segment(segment) + Context.BASE, RCX);
        // OR dword [CHANGED],bit
        a.memory(0, 0, 0x81, 1, RSP, Context.CHANGED);
        a.int4(Context.LOADED << segment);
    }

    /** RDFSBASE and its three siblings. */
    void segmentBase(Insn insn) {
        block.unlessEqual(insn, Context.FSGSBASE, 1);
        int place = (insn.modRm & 8) == 0 ? Context.FS_BASE : Context.GS_BASE;
        boolean wide = insn.size == 8;
        if ((insn.modRm & 16) == 0) {
            int to = Context.isSpilled(insn.rm) ? R15 : Context.host(insn.rm);
            a.memory(wide ? W : 0, 0, 0x8B, to, RSP, place);
            block.writeBack(Shape.Kind.GENERAL, insn.rm, R15);
            return;
        }
        int from = block.general(insn.rm, RCX);
        a.registers(wide ? W : 0, 0, 0x8B, RCX, from);
        if (wide) {
            // Canonical: MOV r15,rcx; SHL r15,16; SAR r15,16; CMP r15,rcx
            a.move(R15, RCX);
            a.registers(W, 0, 0xC1, 4, R15);
            a.byte1(16);
            a.registers(W, 0, 0xC1, 7, R15);
            a.byte1(16);
            a.registers(W, 0, 0x3B, R15, RCX);
            block.alone(insn, JNZ);
        }
        a.store(RSP, place, RCX);
    }

    // --- time -----------------------------------------------------------------------------------

    /** RDTSC and RDTSCP. */
    void readTime(Insn insn) {
        Kind kind = insn.form.mnemonic().equals("RDTSC") ? Kind.TIME : Kind.TIME_AND_ID;
        block.leaveFor(kind, insn.offset);
    }
}
