// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.IntegerEncoder.Addressing;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * The cases that are recorded: every integer form of the table in a mode, with operands of both
 * sizes and registers, memory and stacks of a seed. All that a case touches lies in the arena of
 * recorded-vectors.asm, whose other bytes are INT3: wherever a case leads, it ends there.
 */
final class RecordedCases {
    // Where things are in the arena, apart from each other: within reach of every 16-bit segment.
    private static final int OPERAND = 0x1_1400;
    private static final int STACK = 0x1_2800;
    private static final int CODE = 0x1_3100;
    private static final int TARGET = 0x1_4200;
    private static final int SOURCE = 0x1_4C00;
    private static final int DESTINATION = 0x1_5400;

    /** Selectors of recorded-vectors.asm with flat code and data. */
    private static final int CODE0 = 0x08;

    private static final int DATA0 = 0x10;
    private static final int CODE3 = 0x33;

    /** 64-bit code, and behind it that of level 3. */
    private static final int CODE64 = 0xC0;

    private static final int DATA3 = 0x3B;

    /** What ends at 64 KiB is no stack at privilege level 0: the handler's frame goes there. */
    private static final int DATA16 = 0x20;

    /** Where far transfers go to: flat code, a call gate, and what is neither; no task. */
    private static final int[] FAR = {
        0, 0x08, 0x10, 0x30, 0x38, 0x58, 0x68, 0x70, 0x80, 0xA0, 0xA8
    };

    /** The selector behind the last one, and the others of recorded-vectors.asm. */
    private static final int SELECTORS = 0xB0;

    private static final int IDT16_LIMIT = 0x3FF;
    private static final int TF = 0x100;
    private static final int SYSENTER_CS = 0x174;
    private static final int PG = 1 << 31;
    private static final int PAE = 0x20;

    /** Page tables of recorded-vectors.asm. */
    private static final int PML4 = 0x39_0000;

    private static final int PAT = 0x277;

    private static final Set<String> SEGMENT_LOADS =
            Set.of("LDS", "LES", "LFS", "LGS", "LSS", "POP-segment", "MOV-to-segment");

    private final SplittableRandom random;
    private final RecordedMode mode;
    private final long[] r = new long[8];
    private final int[] selectors = new int[6];
    private final List<Patch> patches = new ArrayList<>();
    private int flags;

    /** The linear address of the memory operand. */
    private int operand;

    @SuppressWarnings("ArrayRecordComponent") // Never compared.
    private record Patch(int address, byte[] bytes) {}

    private RecordedCases(RecordedMode mode, SplittableRandom random) {
        this.mode = mode;
        this.random = random;
    }

    /** {@code count} cases of each form in each mode, as they stand in the table. */
    static List<byte[]> all(long seed, int count) {
        List<byte[]> cases = new ArrayList<>();
        for (RecordedMode mode : RecordedMode.values()) {
            for (Form form : Table.forms()) {
                if (mode.contains(form)) {
                    SplittableRandom random =
                            new SplittableRandom(
                                    seed + 31L * form.toString().hashCode() + mode.ordinal());
                    for (int i = 0; i < count; i++) {
                        new RecordedCases(mode, random).make(form, i).ifPresent(cases::add);
                    }
                }
            }
        }
        return cases;
    }

    // --- one case -------------------------------------------------------------------------------

    private Optional<byte[]> make(Form form, int i) {
        choose();
        for (int n = 0; n < 8; n++) {
            r[n] = IntegerRig.value(random) & 0xFFFF_FFFFL;
        }
        flags = (int) (random.nextLong() & IntegerRig.FLAGS) | mode.iopl() | 2;
        flags |= chance(2) ? Cpu.IF : 0;
        if (mode.isVirtual()) {
            flags |= Cpu.VM;
        }
        int stack = STACK + random.nextInt(64) * (chance(8) ? 1 : 2);
        r[Cpu.RSP] = offset(Seg.SS, stack) | garbage(Seg.SS);
        int code = CODE + random.nextInt(0xE00);
        IntegerEncoder e = encoding(form, i);
        operand = OPERAND + random.nextInt(0x800);
        implied(form, e);
        if (e.hasMemory(form)) {
            if (!address(form, e)) {
                return Optional.empty();
            }
        }
        int segment = e.segment(form);
        e.address = offset(segment, operand);
        if (bitByRegister(form) && e.hasMemory(form)) {
            long bits = random.nextInt(-6000, 6000);
            r[e.reg] =
                    e.size(form) == 2 ? r[e.reg] & ~0xFFFFL | bits & 0xFFFF : bits & 0xFFFF_FFFFL;
        }
        byte[] values = new byte[16];
        random.nextBytes(values);
        if (chance(2)) {
            little(values, 0, IntegerRig.value(random), 8);
        }
        boolean inMemory = e.hasMemory(form) || form.mnemonic().equals("XLAT");
        if (inMemory
                || form.operands().stream().anyMatch(o -> o == Operand.Ob || o == Operand.Ov)) {
            patches.add(new Patch(operand, values));
        }
        if (form.mnemonic().matches("(POP|LEAVE|IRET|RET).*")) {
            byte[] top = new byte[form.mnemonic().equals("POPA") ? 32 : 16];
            random.nextBytes(top);
            patches.add(new Patch(stack, top));
        }
        int length = e.encode(form, 0).length;
        contents(form, e, code, length);
        popped(form, e, stack);
        system(form, e);
        if (undefinedResult(form, e) || isWrongInTcg(form, e)) {
            return Optional.empty();
        }
        byte[] bytes = e.encode(form, code);
        if (bytes.length > 15) {
            return Optional.empty();
        }
        patches.add(new Patch(code, withEnd(form, e, bytes)));
        return Optional.of(bytes(code));
    }

    private boolean chance(int one) {
        return random.nextInt(one) == 0;
    }

    private int base(int segment) {
        return mode.isProtected() ? 0 : selectors[segment] << 4;
    }

    private long offset(int segment, int linear) {
        return linear - base(segment) & 0xFFFF_FFFFL;
    }

    /** Upper bits of a register whose lower 16 are used. */
    private long garbage(int segment) {
        return mode.isProtected() || segment == Seg.SS && mode.isLevel0()
                ? 0
                : (long) random.nextInt() << 16 & 0xFFFF_0000L;
    }

    private int paragraph() {
        return 0x1000 + random.nextInt(0x41);
    }

    private void choose() {
        for (int segment = 0; segment < 6; segment++) {
            selectors[segment] =
                    !mode.isProtected() ? paragraph() : mode.isLevel0() ? DATA0 : DATA3;
        }
        if (mode.isProtected()) {
            int code = mode.isLevel0() ? CODE0 : CODE3;
            selectors[Seg.CS] = !mode.isLong() ? code : mode.isLevel0() ? CODE64 : CODE64 + 8 | 3;
        }
    }

    // --- encodings ------------------------------------------------------------------------------

    private IntegerEncoder encoding(Form form, int i) {
        IntegerEncoder e = new IntegerEncoder();
        e.code64 = mode.isLong();
        e.code16 = !mode.isProtected();
        boolean memoryToo =
                form.hasModRm() && form.digit() < Form.EXACT && !form.is(Form.REGISTER_ONLY);
        // Moves to and from control and debug registers ignore ModRM's mod.
        memoryToo &= !form.operands().contains(Operand.Cy) && !form.operands().contains(Operand.Dy);
        e.memory = memoryToo && (form.is(Form.MEMORY_ONLY) || (i & 1) != 0);
        // Far pointers with 64-bit offsets are not on all processors.
        e.wide =
                form.is(Form.W1)
                        || mode.isLong()
                                && chance(3)
                                && !form.mnemonic().matches("JMPF|CALLF|L[FGS]S");
        e.word = (i >> 1 & 1) != 0 && form.prefix() != Form.PREFIX_NONE;
        if (mode.isProtected() && isTransfer(form)) {
            // The arena's code is beyond 64 KiB.
            e.word = false;
        }
        e.reg = IntegerEncoder.registerInOpcode(form) ? form.opcode() & 7 : register(form);
        e.rm = register(form);
        if (form.is(Form.VEX)) {
            e.vvvv = random.nextInt(8);
            e.word = false;
        }
        if (form.operands().contains(Operand.Sw)) {
            // As a destination CS is #UD.
            e.reg = random.nextInt(chance(4) ? 8 : 6);
        } else if (form.operands().contains(Operand.Cy)) {
            // TCG looks at the privilege before it finds that there is no such register.
            e.reg = new int[] {0, 0, 2, 3, 4, 1, 5}[random.nextInt(mode.isPrivileged() ? 7 : 5)];
        } else if (form.operands().contains(Operand.Dy)) {
            e.reg = random.nextInt(8);
        }
        // TCG executes much with LOCK that has to be #UD, and ends at a locked BTS of a register.
        e.lock = form.is(Form.LOCK) && e.memory && chance(3);
        if (IntegerForms.isString(form) || isPortString(form)) {
            e.repeat = new int[] {0, 0xF2, 0xF3, 0xF3}[random.nextInt(4)];
        }
        if (chance(3)) {
            e.override = new int[] {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65}[random.nextInt(6)];
            if (mode.isProtected() && e.override == 0x2E) {
                // TCG stores to code segments.
                e.override = 0x3E;
            }
        }
        e.shortAddress = chance(3);
        e.immediate =
                form.mnemonic().equals("ENTER") || form.mnemonic().startsWith("RET")
                        ? random.nextInt(64)
                        : IntegerForms.isShift(form)
                                ? random.nextInt(chance(3) ? 256 : 34)
                                : IntegerRig.value(random);
        e.immediate2 = random.nextInt(4);
        if (form.mnemonic().matches("IN|OUT")) {
            // Ports where no device is; aligned, since others read as zero there.
            e.immediate = 0x30 + 4L * random.nextInt(3);
        }
        return e;
    }

    private static boolean isTransfer(Form form) {
        return IntegerForms.isNearTransfer(form) || form.mnemonic().matches("JMPF|CALLF|RETF|IRET");
    }

    private static boolean isPortString(Form form) {
        return form.mnemonic().matches("(INS|OUTS)B?");
    }

    /** A register for an operand: not the stack pointer, but its place among bytes. */
    private int register(Form form) {
        int register = random.nextInt(8);
        return register == Cpu.RSP && form.sizing() != Form.Sizing.BYTE ? Cpu.RBP : register;
    }

    private static boolean bitByRegister(Form form) {
        return form.mnemonic().startsWith("BT") && form.operands().contains(Operand.Gv);
    }

    /** Chooses how memory is addressed and lets registers point to {@link #operand}. */
    private boolean address(Form form, IntegerEncoder e) {
        if (mode.isLong()) {
            address64(e);
            return true;
        }
        if (mode.isProtected()) {
            // Sixteen bits reach nothing of the arena.
            e.shortAddress = false;
        }
        e.mod16 = random.nextInt(3);
        e.rm16 = random.nextInt(8);
        Addressing[] all = Addressing.values();
        do {
            e.addressing = all[random.nextInt(all.length - 1)];
        } while (e.addressing == Addressing.INDEX_DISP32);
        do {
            e.base = random.nextInt(8);
            e.index = random.nextInt(8);
        } while (e.base == Cpu.RSP || e.index == Cpu.RSP || e.index == e.base);
        int segment = e.segment(form);
        long at = offset(segment, operand);
        e.address = at;
        e.displacement = random.nextInt();
        boolean small =
                e.addresses16()
                        ? e.mod16 == 1
                        : e.addressing == Addressing.BASE_DISP8
                                || e.addressing == Addressing.BASE_INDEX_DISP8;
        e.displacement = small ? (byte) e.displacement : e.displacement;
        if (e.addresses16()) {
            address16(e, at);
        } else if (e.addressing.hasBase()) {
            long displacement =
                    switch (e.addressing) {
                        case BASE -> e.base == Cpu.RBP ? (byte) e.displacement : 0;
                        case BASE_DISP8, BASE_INDEX_DISP8 -> (byte) e.displacement;
                        default -> e.displacement;
                    };
            long indexed = e.addressing.hasIndex() ? r[e.index] << e.scale : 0;
            r[e.base] = at - displacement - indexed & 0xFFFF_FFFFL;
        }
        // The bit's number stands in a register that has no part in the address.
        if (bitByRegister(form)) {
            for (int i = 0; i < 8 && (used(e, e.reg) || e.reg == Cpu.RSP); i++) {
                e.reg = e.reg + 1 & 7;
            }
        }
        // Registers that the instruction has its own use for.
        return !(form.mnemonic().startsWith("CMPXCHG8B") && used(e, Cpu.RAX)) || !used(e, Cpu.RCX);
    }

    /** Registers have 32 bits to start with: displacements are not above the operand. */
    private void address64(IntegerEncoder e) {
        Addressing[] all = {
            Addressing.BASE,
            Addressing.BASE_DISP8,
            Addressing.BASE_DISP32,
            Addressing.ABSOLUTE,
            Addressing.RIP_RELATIVE
        };
        e.shortAddress = false;
        e.addressing = all[random.nextInt(all.length)];
        e.base = random.nextInt(8);
        e.base = e.base == Cpu.RSP ? Cpu.RBP : e.base;
        e.address = operand;
        boolean small = e.addressing != Addressing.BASE_DISP32;
        e.displacement = -random.nextInt(small ? 128 : 1 << 30);
        if (e.addressing.hasBase()) {
            boolean displaced = e.addressing != Addressing.BASE || e.base == Cpu.RBP;
            r[e.base] = (long) operand - (displaced ? e.displacement : 0);
        }
    }

    private void address16(IntegerEncoder e, long at) {
        long displacement =
                e.mod16 == 1 ? (byte) e.displacement : e.mod16 == 2 ? e.displacement : 0;
        switch (e.rm16) {
            case 0, 1, 2, 3 -> {
                int base = e.rm16 < 2 ? Cpu.RBX : Cpu.RBP;
                int index = (e.rm16 & 1) == 0 ? Cpu.RSI : Cpu.RDI;
                low(base, at - displacement - r[index]);
            }
            case 4 -> low(Cpu.RSI, at - displacement);
            case 5 -> low(Cpu.RDI, at - displacement);
            case 6 -> {
                if (e.mod16 != 0) {
                    low(Cpu.RBP, at - displacement);
                } else {
                    e.displacement = (int) at;
                }
            }
            default -> low(Cpu.RBX, at - displacement);
        }
    }

    private void low(int register, long value) {
        r[register] = r[register] & ~0xFFFFL | value & 0xFFFF;
    }

    private static boolean used(IntegerEncoder e, int register) {
        return e.addresses16()
                ? register == Cpu.RBX
                        || register == Cpu.RBP
                        || register == Cpu.RSI
                        || register == Cpu.RDI
                : register == e.base || register == e.index;
    }

    // --- states ---------------------------------------------------------------------------------

    /** Registers that an instruction uses unsaid. */
    private void implied(Form form, IntegerEncoder e) {
        if (mode.isProtected() && !e.hasMemory(form)) {
            e.shortAddress &= !IntegerForms.isString(form) && !isPortString(form);
            e.shortAddress &= !form.mnemonic().equals("XLAT");
            e.shortAddress &= !form.operands().contains(Operand.Ob);
            e.shortAddress &= !form.operands().contains(Operand.Ov);
        }
        boolean strings = IntegerForms.isString(form) || isPortString(form);
        if (strings) {
            boolean upper = e.addresses16();
            long garbage = upper ? (long) random.nextInt() << 16 & 0xFFFF_0000L : 0;
            r[Cpu.RSI] = offset(e.segment(form), SOURCE + random.nextInt(0x400)) | garbage;
            r[Cpu.RDI] = offset(Seg.ES, DESTINATION + random.nextInt(0x400)) | garbage;
            if (e.repeat != 0) {
                // TCG looks at the port's permission before it finds that there is nothing to do.
                int least = isPortString(form) ? 1 : 0;
                r[Cpu.RCX] = random.nextInt(least, chance(8) ? 80 : 9) | garbage;
            }
            int fill = random.nextInt(256);
            r[Cpu.RAX] = chance(2) ? fill * 0x0101_0101L : r[Cpu.RAX];
            string(Seg.ES, Cpu.RDI, fill);
            string(e.segment(form), Cpu.RSI, fill);
        }
        switch (form.mnemonic()) {
            case "XLAT" ->
                    r[Cpu.RBX] =
                            offset(e.segment(form), operand - (int) (r[Cpu.RAX] & 0xFF))
                                    | (e.addresses16() ? 0x5A5A_0000L : 0);
            case "DIV", "IDIV" -> {
                if (chance(2)) {
                    r[Cpu.RDX] = random.nextInt(4);
                    r[Cpu.RAX] = random.nextInt(0x1000);
                }
            }
            case "IN", "OUT" ->
                    // Others than the bitmap allows, too, where no device is.
                    r[Cpu.RDX] = 0x2A0 + 4 * random.nextInt(16) | r[Cpu.RDX] & 0xFFFF_0000L;
            case "LOOP", "LOOPZ", "LOOPNZ", "JCXZ" -> {
                if (chance(2)) {
                    r[Cpu.RCX] = random.nextInt(3) | (chance(2) ? 0x1234_0000L : 0);
                }
            }
            case "ENTER", "LEAVE" ->
                    r[Cpu.RBP] =
                            offset(Seg.SS, STACK + 0x100 + random.nextInt(64)) | garbage(Seg.SS);
            default -> {
                if (IntegerForms.isShift(form)) {
                    r[Cpu.RCX] = r[Cpu.RCX] & ~0xFF | random.nextInt(chance(3) ? 256 : 34);
                }
            }
        }
        if (isPortString(form)) {
            low(Cpu.RDX, 0x2A0 + 4 * random.nextInt(16));
        }
    }

    /** Memory around what a string register points to: few different bytes. */
    private void string(int segment, int register, int fill) {
        byte[] bytes = new byte[48];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (chance(12) ? random.nextInt() : fill);
        }
        int at = (int) (r[register] & (mode.isProtected() ? -1 : 0xFFFF)) + base(segment);
        patches.add(new Patch(at - 24, bytes));
    }

    /** What the instruction can do something with: targets, selectors, bounds. */
    private void contents(Form form, IntegerEncoder e, int code, int length) {
        String name = IntegerForms.name(form);
        boolean inMemory = e.hasMemory(form);
        int size = e.size(form);
        long from = offset(Seg.CS, code);
        if (form.operands().contains(Operand.Ap)) {
            e.immediate2 = farSelector();
            e.immediate = farOffset((int) e.immediate2);
        } else if (form.operands().contains(Operand.Jb)) {
            do {
                e.immediate = random.nextInt(-128, 128);
            } while (e.immediate < 2 && e.immediate > -length - 2);
        } else if (form.operands().contains(Operand.Jz)) {
            e.immediate = target() - from - length;
        } else if (IntegerForms.isNearTransfer(form) && form.hasModRm()) {
            long target = target();
            if (inMemory) {
                put(operand, target, size);
            } else {
                r[e.rm] = size == 2 ? r[e.rm] & ~0xFFFFL | target : target;
            }
        } else if (form.mnemonic().matches("JMPF|CALLF")) {
            int selector = farSelector();
            put(operand, farOffset(selector), size);
            put(operand + size, selector, 2);
        } else if (SEGMENT_LOADS.contains(name)
                || form.mnemonic().matches("LAR|LSL|VER[RW]|LTR|LLDT")) {
            boolean stack = form.mnemonic().equals("LSS") || e.reg == Seg.SS;
            int selector = selector(stack && SEGMENT_LOADS.contains(name));
            while (mode.isWrongInTcg(name, selector)) {
                selector = selector(false);
            }
            if (inMemory) {
                put(operand + (form.operands().contains(Operand.Mp) ? size : 0), selector, 2);
            } else if (form.hasModRm()) {
                r[e.rm] = r[e.rm] & ~0xFFFFL | selector;
            }
        } else if (name.startsWith("CMPXCHG") && chance(2)) {
            if (name.startsWith("CMPXCHG8B")) {
                put(operand, r[Cpu.RAX], 4);
                put(operand + 4, r[Cpu.RDX], 4);
            } else if (inMemory) {
                put(operand, r[Cpu.RAX], size);
            }
        } else if (name.equals("BOUND") && !chance(4)) {
            long index = random.nextInt(0x7000);
            r[e.reg] = used(e, e.reg) ? r[e.reg] : index;
            put(operand, index - random.nextInt(-1, 5), size);
            put(operand + size, index + random.nextInt(-1, 5), size);
        }
        if (IntegerEncoder.registerInOpcode(form) && (form.opcode() & 7) == Cpu.RSP) {
            // What becomes the stack pointer points to the stack.
            long stack = offset(Seg.SS, STACK + 0x80);
            e.immediate = form.sizing() == Form.Sizing.BYTE ? e.immediate : stack;
            r[Cpu.RAX] = form.mnemonic().equals("XCHG") ? stack : r[Cpu.RAX];
        }
    }

    private void put(int address, long value, int bytes) {
        byte[] all = new byte[bytes];
        little(all, 0, value, bytes);
        patches.add(new Patch(address, all));
    }

    private static void little(byte[] to, int at, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            to[at + i] = (byte) (value >>> 8 * i);
        }
    }

    /** An offset in the code segment, of INT3. */
    private long target() {
        return offset(Seg.CS, TARGET + random.nextInt(0x800));
    }

    /** A selector that far transfers may go to. */
    private int farSelector() {
        if (!mode.isProtected()) {
            return paragraph();
        }
        if (mode.isLong() && chance(4)) {
            return CODE64 + 8 * random.nextInt(2) | random.nextInt(4);
        }
        int selector = FAR[random.nextInt(FAR.length)] | (chance(2) ? 3 : random.nextInt(4));
        return chance(2) ? selectors[Seg.CS] : selector;
    }

    private long farOffset(int selector) {
        return (long) TARGET + random.nextInt(0x800) - (mode.isProtected() ? 0 : selector << 4);
    }

    /** A selector to load into a segment register or to ask about. */
    private int selector(boolean stack) {
        if (!mode.isProtected()) {
            return stack ? paragraph() : chance(4) ? random.nextInt(0x1_0000) : paragraph();
        }
        if (stack && chance(2)) {
            return selectors[Seg.SS];
        }
        int selector;
        do {
            selector = random.nextInt(SELECTORS / 8) * 8 | (chance(2) ? 3 : random.nextInt(4));
            // TCG takes a null selector with any RPL for a 64-bit stack.
        } while (stack && ((selector & 0xF8) == DATA16 || mode.isLong() && selector < 4));
        return chance(10) ? selector + SELECTORS : selector;
    }

    /** Where code goes on, flags, selectors and frames on the stack. */
    private void popped(Form form, IntegerEncoder e, int stack) {
        int size = e.size(form);
        switch (IntegerForms.name(form)) {
            case "POPF" -> put(stack, poppedFlags(), 4);
            case "RET" -> put(stack, target(), size);
            case "RETF", "IRET" -> {
                int selector = farSelector();
                put(stack, farOffset(selector), size);
                put(stack + size, selector, size);
                if (mode.isLong()) {
                    put(stack + 3 * size, STACK + 0x100, size);
                    put(stack + 4 * size, mode.isLevel0() ? DATA0 : DATA3, size);
                }
                if (form.mnemonic().equals("IRET")) {
                    put(
                            stack + 2 * size,
                            poppedFlags() & (mode.isProtected() ? ~Cpu.VM : -1),
                            size);
                }
            }
            case "POP-segment" ->
                    put(
                            stack,
                            selector(form.operands().getFirst() == Operand.SS),
                            Math.max(size, 2));
            case "POP" -> {
                if (IntegerEncoder.registerInOpcode(form) && (form.opcode() & 7) == Cpu.RSP) {
                    put(stack, offset(Seg.SS, STACK + 0x90), size);
                }
            }
            case "LEAVE" -> {
                int frame = (int) (r[Cpu.RBP] & (mode.isProtected() ? -1 : 0xFFFF)) + base(Seg.SS);
                put(frame, IntegerRig.value(random), 4);
            }
            default -> {}
        }
    }

    private long poppedFlags() {
        long popped = random.nextInt() & (IntegerRig.FLAGS | Cpu.IF | Cpu.IOPL);
        return popped | (chance(6) ? TF : 0);
    }

    /** Values for what changes how the processor works: such that INT3 still ends the case. */
    private void system(Form form, IntegerEncoder e) {
        switch (form.mnemonic()) {
            case "LIDT" -> {
                // In real mode the vectors stay where they are.
                put(
                        operand,
                        mode == RecordedMode.REAL ? IDT16_LIMIT : mode.isLong() ? 0xFFF : 0x7FF,
                        2);
                put(
                        operand + 2,
                        mode == RecordedMode.REAL ? 0 : mode.isLong() ? 0x9000 : 0x7000,
                        8);
            }
            case "LGDT" -> {
                put(operand, 0xFFF, 2);
                put(operand + 2, 0x7800, 8);
            }
            case "LMSW" -> {
                // PE stays as it is.
                long value = random.nextInt(0x1_0000) & ~1 | (mode.isLevel0() ? 1 : 0);
                if (e.hasMemory(form)) {
                    put(operand, value, 2);
                } else {
                    low(e.rm, value);
                }
            }
            case "RDMSR" -> r[Cpu.RCX] = chance(2) ? PAT : SYSENTER_CS;
            case "WRMSR" -> {
                // The case reads it back.
                r[Cpu.RCX] = SYSENTER_CS + 1L + random.nextInt(2);
                r[Cpu.RDX] = 0;
            }
            case "MOV" -> {
                if (form.operands().getFirst() == Operand.Cy) {
                    r[e.rm] =
                            switch (e.reg) {
                                case 0 -> {
                                    int pe = mode.isLevel0() ? 1 : 0;
                                    int[] values = {0x30, 0x10, 0x3E, 0x5_0030, 0x1A};
                                    int pg = mode.isLong() ? PG : 0;
                                    yield (values[random.nextInt(values.length)] | pe | pg)
                                            & 0xFFFF_FFFFL;
                                }
                                case 3 -> mode.isLong() ? PML4 : r[e.rm];
                                case 4 ->
                                        new int[] {0, 0x10, 0x08, 0x80, 0x4}[random.nextInt(5)]
                                                | (mode.isLong() ? PAE : 0);
                                default -> r[e.rm];
                            };
                } else if (form.operands().getFirst() == Operand.Dy && (e.reg & 5) == 4) {
                    // TCG keeps bit 12 of DR6.
                    r[e.rm] &= ~0x1000;
                } else if (form.operands().getFirst() == Operand.Dy && (e.reg & 5) == 5) {
                    // No breakpoint is enabled, and no general detection.
                    r[e.rm] = r[e.rm] & 0x0000_0300L | 0x400;
                }
            }
            default -> {}
        }
    }

    // --- what is left out -----------------------------------------------------------------------

    /** Results that the manual leaves undefined. */
    private boolean undefinedResult(Form form, IntegerEncoder e) {
        long count =
                switch (form.operands().isEmpty() ? Operand.One : form.operands().getLast()) {
                    case CL -> r[Cpu.RCX];
                    case Ib -> e.immediate;
                    default -> 0;
                };
        return form.mnemonic().matches("SH[LR]D") && e.size(form) == 2 && (count & 31) > 16;
    }

    /**
     * What TCG (QEMU 7.2) does in a way of its own, against the manual: MOVBE and CRC32 take their
     * operand size from 66 alone, as if code were always 32-bit; 0F 18 with a register operand is
     * #UD.
     */
    private boolean isWrongInTcg(Form form, IntegerEncoder e) {
        return switch (form.mnemonic()) {
            case "MOVBE" -> !mode.isProtected();
            case "CRC32" -> !mode.isProtected() && form.operands().contains(Operand.Ev);
            case "PREFETCH" -> form.hasModRm() && !e.memory;
            // The manual leaves the result undefined.
            case "BSWAP" -> e.size(form) == 2;
            // Which bits of the limit are told is left open, and cleared only in 32-bit code.
            case "LAR" -> mode.isLong() && e.size(form) != 2;
            // TCG's error code has the vector times 16 in 64-bit mode.
            case "INT" ->
                    mode.isLong()
                            && !mode.isLevel0()
                            && ((e.immediate & 1) != 0 || (e.immediate & 0xFF) < 32);
            default -> false;
        };
    }

    /**
     * Whether a case with this outcome is kept. Not, if its stack pointer comes near the ends of a
     * 16-bit stack, where TCG does not check limits, or leaves the arena.
     */
    static boolean isRecorded(RecordedVectors.Start start, byte[] result) {
        int pointer =
                start.mode() == RecordedVectors.REAL
                        ? RecordedVectors.int32(result, 28) & 0xFFFF
                        : start.mode() == RecordedVectors.VIRTUAL
                                ? RecordedVectors.int32(result, 56 + 4 * 6) & 0xFFFF
                                : 0x8000;
        return pointer >= 0x100 && pointer <= 0xFF00;
    }

    // --- the case as the program takes it --------------------------------------------------------

    /** Readers of what has been written follow; then INT3, which is everywhere, ends the case. */
    private byte[] withEnd(Form form, IntegerEncoder e, byte[] bytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(bytes);
        Operand first = form.operands().isEmpty() ? Operand.One : form.operands().getFirst();
        if (first == Operand.Cy || first == Operand.Dy) {
            out.write(0x0F);
            out.write(form.opcode() & ~2);
            out.write(0xC0 | e.reg << 3 | Cpu.RSI);
        } else if (form.mnemonic().equals("WRMSR")) {
            out.write(0x0F);
            out.write(0x32);
        } else if (form.mnemonic().equals("LAR") && mode.isProtected() && !mode.isLong()) {
            // The manual leaves bits 16 to 19 undefined: PUSHF, AND Gv,FFF0FFFFh, POPF.
            out.writeBytes(new byte[] {(byte) 0x9C, (byte) 0x81, (byte) (0xE0 | e.reg)});
            word(out, 0xFFF0_FFFFL, 4);
            out.write(0x9D);
        } else if (chance(4)) {
            out.write(0x90);
        }
        out.write(0xCC);
        return out.toByteArray();
    }

    private byte[] bytes(int code) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int size = 64;
        for (Patch patch : patches) {
            size += 8 + (patch.bytes.length + 3 & ~3);
        }
        word(out, size, 4);
        word(out, mode.number, 4);
        word(out, flags, 4);
        word(out, offset(Seg.CS, code), 4);
        for (int segment : new int[] {Seg.CS, Seg.SS, Seg.DS, Seg.ES, Seg.FS, Seg.GS}) {
            word(out, selectors[segment], 2);
        }
        for (long register : r) {
            word(out, register, 4);
        }
        word(out, patches.size(), 4);
        for (Patch patch : patches) {
            word(out, patch.address, 4);
            word(out, patch.bytes.length, 4);
            out.writeBytes(patch.bytes);
            word(out, 0, -patch.bytes.length & 3);
        }
        return out.toByteArray();
    }

    private static void word(ByteArrayOutputStream out, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
    }
}
