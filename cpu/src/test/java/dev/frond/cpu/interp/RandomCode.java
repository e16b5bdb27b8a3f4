// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.IntegerEncoder.Addressing;
import dev.frond.cpu.interp.WindowSegments.Data;
import dev.frond.machine.vcpu.CpuFeature;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/**
 * Random code of integer, vector and x87 instructions whose effect lies in registers and in a
 * window of memory: RBX points to the window's middle, RDI holds a small index, RSP stays inside,
 * R13 counts the rounds of a loop around it all. Code in segments ({@link WindowSegments}) has 16-
 * and 32-bit addresses, and loads segment registers.
 */
final class RandomCode {
    /** Bytes of the window that RBX points to the middle of. */
    static final int WINDOW = 512;

    /** Rounds that R13 counts, in 64-bit code. */
    static final int ROUNDS = 3;

    private static final int R13 = 13;

    /** Which instructions a sequence is made of beside those of integers. */
    enum Flavour {
        INTEGER,
        VECTOR,
        X87
    }

    /** What code a segment is for. */
    enum Kind {
        LONG,
        FLAT_32,
        SEGMENTED_32,
        SEGMENTED_16
    }

    private final SplittableRandom random;
    private final boolean code64;
    private final boolean code16;

    /** Where the window is, in segments; empty where all are flat. */
    private final Optional<WindowSegments> windows;

    /** The segments that DS, ES, SS, FS and GS have where code is being made, by {@link Seg}. */
    private final Data[] segments = new Data[6];

    /** The segments that the last sequence starts with. */
    private final Data[] first = new Data[6];

    private int codeSelector;
    private final RandomStates states;
    private final RandomTransfers narrow;
    private final List<Form> integers = new ArrayList<>();
    private final List<Form> transfers = new ArrayList<>();
    private final List<Form> strings = new ArrayList<>();
    private final List<Form> gathers = new ArrayList<>();
    private final List<Form> vectors = new ArrayList<>();
    private final List<Form> x87 = new ArrayList<>();

    private long window;
    private long at;
    private final List<Integer> steps = new ArrayList<>();
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /**
     * Code of {@code features}.
     *
     * @param windows segments, for code of the kinds that have them
     */
    RandomCode(
            SplittableRandom random,
            Kind kind,
            Set<CpuFeature> features,
            Optional<WindowSegments> windows) {
        this.random = random;
        this.windows = windows;
        code64 = kind == Kind.LONG;
        code16 = kind == Kind.SEGMENTED_16;
        states = new RandomStates(random);
        narrow = new RandomTransfers(this, random, code16, windows);
        for (Form form : Table.forms()) {
            boolean there =
                    !form.is(code64 ? Form.NOT_64 : Form.ONLY_64)
                            && (form.feature().isEmpty()
                                    || features.contains(form.feature().get()));
            if (!there || !contains(form)) {
                continue;
            }
            if (IntegerForms.isVector(form) || isVex(form)) {
                List<Form> list = form.is(Form.VSIB) ? gathers : isX87(form) ? x87 : vectors;
                list.add(form);
            } else if (IntegerForms.isNearTransfer(form)) {
                transfers.add(form);
            } else if (IntegerForms.isString(form)) {
                strings.add(form);
            } else if (code64
                    || !IntegerEncoder.registerInOpcode(form)
                    || !isReserved(form.opcode() & 7)) {
                integers.add(form);
            }
        }
    }

    private static boolean isVex(Form form) {
        return form.is(Form.VEX) && form.isVector();
    }

    /** x87 and MMX. */
    private static boolean isX87(Form form) {
        return form.map() == 0
                || form.operands().stream().anyMatch(o -> o.name().matches("[PQN][a-z]+"))
                || form.mnemonic().equals("EMMS");
    }

    /** Results that differ between processors, and state that random bytes do not make. */
    private static final Pattern LEFT =
            Pattern.compile(
                    "V?(RCP|RSQRT)[PS]S|EXTRQ|INSERTQ"
                            + "|F2XM1|FYL2X|FYL2XP1|FPTAN|FPATAN|FSIN|FCOS|FSINCOS"
                            + "|FU?COMIP?|FBLD|FLDCW|FLDENV|FRSTOR|FN?STENV|FN?SAVE"
                            + "|FXSAVE|FXRSTOR|XSAVE.*|XRSTOR.*|V?LDMXCSR"
                            + "|BOUND|INTO|CLFLUSH.*|CLWB");

    /** Whether sequences have {@code form}, on a host that has it. */
    static boolean contains(Form form) {
        boolean vector = IntegerForms.isVector(form) || isVex(form);
        return !LEFT.matcher(form.mnemonic()).matches()
                && (vector || IntegerForms.excuse(form).isEmpty())
                && !IntegerForms.alwaysFaults(form)
                && !form.operands().contains(Operand.Sw)
                && !(form.mnemonic().equals("RET") && !form.operands().isEmpty());
    }

    // --- sequences ------------------------------------------------------------------------------

    /** The code segment of the next sequences. */
    void codeSelector(int selector) {
        codeSelector = selector;
    }

    /** The selector that the last sequence starts with in a register for data. */
    int selector(int seg) {
        return first[seg].selector();
    }

    /**
     * A sequence to run at {@code address}, the offset in its segment if it has segments; its
     * instructions are {@code length} and some more.
     */
    byte[] sequence(int length, Flavour flavour, long address, long window, boolean loop) {
        this.window = window;
        at = address;
        Data flat = new Data(LocalTable.FLAT_DATA, window + WINDOW / 2);
        for (int seg = 0; seg < 6; seg++) {
            boolean stack = seg == Seg.SS;
            first[seg] =
                    windows.map(all -> stack ? all.stack(random) : all.data(random)).orElse(flat);
            segments[seg] = first[seg];
        }
        out.reset();
        steps.clear();
        for (int i = 0; i < length; i++) {
            step(flavour);
            steps.add(out.size());
        }
        if (loop && code64) {
            // DEC R13; JNZ start
            bytes(0x49, 0xFF, 0xCD, 0x0F, 0x85);
            little(-(out.size() + 4L), 4);
        }
        return out.toByteArray();
    }

    /** Where the steps of the last sequence end: each is an instruction with what it needs. */
    List<Integer> steps() {
        return List.copyOf(steps);
    }

    private void step(Flavour flavour) {
        switch (random.nextInt(40)) {
            case 0 -> string();
            case 1, 2 -> transfer();
            case 3 -> stack();
            case 4 -> indirect();
            case 5 -> {
                if (windows.isEmpty()) {
                    integer(pick(integers));
                } else if (chance(1, 4)) {
                    narrow.farTransfer();
                } else {
                    narrow.loadSegment();
                }
            }
            default -> {
                if (flavour == Flavour.VECTOR && chance(3, 4)) {
                    vector(pick(vectors));
                } else if (flavour == Flavour.VECTOR && chance(1, 12) && !gathers.isEmpty()) {
                    gather();
                } else if (flavour == Flavour.X87 && chance(3, 4)) {
                    vector(pick(x87));
                } else {
                    integer(pick(integers));
                }
            }
        }
    }

    private static boolean isReserved(int register) {
        return register == Cpu.RBX || register == Cpu.RSP || register == Cpu.RDI || register == R13;
    }

    int register() {
        while (true) {
            int register = random.nextInt(code64 ? 16 : 8);
            if (!isReserved(register)) {
                return register;
            }
        }
    }

    boolean chance(int wanted, int of) {
        return random.nextInt(of) < wanted;
    }

    private Form pick(List<Form> forms) {
        return forms.get(random.nextInt(forms.size()));
    }

    void bytes(int... code) {
        for (int b : code) {
            out.write(b);
        }
    }

    void little(long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
    }

    /** Where the next byte will be. */
    long here() {
        return at + out.size();
    }

    /** The selector of the code. */
    int codeSelector() {
        return codeSelector;
    }

    /** Notes that a segment register is loaded. */
    void loaded(int seg, Data segment) {
        segments[seg] = segment;
    }

    /** REX.W where there is one; in 16-bit code the prefix of 32-bit operands. */
    void wide() {
        if (code64) {
            out.write(0x48);
        } else if (code16) {
            out.write(0x66);
        }
    }

    /** The prefix of 32-bit addresses in 16-bit code. */
    void wideAddress() {
        if (code16) {
            out.write(0x67);
        }
    }

    private long middle(int seg) {
        return segments[seg].middle();
    }

    /** Where the window is in a segment, as DS has it at 0. */
    private int shift(int seg) {
        return (int) (middle(seg) - middle(Seg.DS));
    }

    /** Lets a register be {@code displacement} behind the window's middle, in a segment. */
    void address(int register, int seg, int displacement) {
        // LEA register,[RBX+displacement]
        wideAddress();
        wide();
        bytes(0x8D, 0x83 | register << 3);
        little(displacement + shift(seg), 4);
    }

    int displacement() {
        return random.nextInt(-100, 100);
    }

    /** MOV register,number, sign-extended; the register is one of the first eight. */
    void number(int register, int value) {
        wide();
        bytes(0xC7, 0xC0 | register);
        little(value, 4);
    }

    /** Eight of it and a displacement stay inside the window. */
    private int index() {
        return 8 * random.nextInt(-2, 3);
    }

    private void smallIndex() {
        number(Cpu.RDI, index());
    }

    // --- instructions ---------------------------------------------------------------------------

    private IntegerEncoder encoder(Form form) {
        IntegerEncoder e = new IntegerEncoder();
        e.code64 = code64;
        e.code16 = code16;
        e.wide = random.nextInt(3) == 0 && !form.is(Form.W0) || form.is(Form.W1);
        e.word = random.nextInt(4) == 0;
        // Byte registers 4 to 7 without REX would be AH to BH, and BH is RBX's.
        e.rex = random.nextInt(3) > 0;
        e.reg = register();
        if (IntegerEncoder.registerInOpcode(form)) {
            e.reg = form.opcode() & 7;
            if (isReserved(e.reg) || code64 && chance(1, 3) && e.reg + 8 != R13) {
                e.reg += 8;
            }
        }
        e.rm = register();
        e.vvvv = register();
        e.memory =
                !form.is(Form.REGISTER_ONLY)
                        && (form.is(Form.MEMORY_ONLY) || random.nextInt(2) == 0);
        e.base = Cpu.RBX;
        e.index = Cpu.RDI;
        e.scale = random.nextInt(4);
        Addressing[] all = Addressing.values();
        do {
            e.addressing = all[random.nextInt(code64 ? all.length : all.length - 1)];
        } while (e.addressing == Addressing.INDEX_DISP32);
        e.displacement = e.addressing == Addressing.BASE ? 0 : random.nextInt(-60, 60);
        e.address = window + random.nextInt(200, 300);
        e.override = override();
        boolean near = segments[segment(e)].isNear();
        // 16-bit addresses, where they reach the window.
        e.shortAddress = windows.isPresent() && (chance(1, 2) && near) != code16;
        e.immediate = IntegerRig.value(random);
        e.immediate2 = random.nextInt(256);
        return e;
    }

    private int override() {
        if (windows.isEmpty()) {
            return chance(1, 30) ? new int[] {0x26, 0x36, 0x3E}[random.nextInt(3)] : 0;
        }
        return chance(1, 4) ? new int[] {0x26, 0x36, 0x3E, 0x64, 0x65}[random.nextInt(5)] : 0;
    }

    private static int segment(IntegerEncoder e) {
        return switch (e.override) {
            case 0x26 -> Seg.ES;
            case 0x36 -> Seg.SS;
            case 0x64 -> Seg.FS;
            case 0x65 -> Seg.GS;
            default -> Seg.DS;
        };
    }

    /**
     * Lets an operand, of which the displacement from the window's middle is known, be there in its
     * segment, and puts what 16-bit addresses need into registers before.
     */
    private void place(Form form, IntegerEncoder e) {
        if (windows.isEmpty()) {
            return;
        }
        int segment = segment(e);
        e.address += middle(segment) - (window + WINDOW / 2);
        if (!e.hasMemory(form)) {
            return;
        }
        if (e.addresses16()) {
            place16(e);
            return;
        }
        int shift = shift(segment);
        if (shift != 0) {
            e.displacement += shift;
            e.addressing =
                    e.addressing.hasIndex()
                            ? Addressing.BASE_INDEX_DISP32
                            : e.addressing.hasBase() ? Addressing.BASE_DISP32 : Addressing.ABSOLUTE;
        }
    }

    private void place16(IntegerEncoder e) {
        e.rm16 = random.nextInt(8);
        e.mod16 = 2;
        boolean stack = e.rm16 == 2 || e.rm16 == 3 || e.rm16 == 6;
        int segment = stack && e.override == 0 ? Seg.SS : segment(e);
        if (!segments[segment].isNear()) {
            e.rm16 = 7;
            stack = false;
            segment = segment(e);
        }
        int base = stack ? Cpu.RBP : Cpu.RBX;
        if (stack) {
            number(Cpu.RBP, random.nextInt());
        }
        boolean indexed = e.rm16 < 4;
        if (e.rm16 == 4 || indexed && (e.rm16 & 1) == 0) {
            // The upper half counts for nothing.
            number(Cpu.RSI, index() & 0xFFFF | random.nextInt() << 16);
        }
        int wanted = (int) middle(segment) + e.displacement;
        if (e.rm16 == 4 || e.rm16 == 5) {
            // SI or DI, a small index.
            e.displacement = wanted;
        } else if (base == Cpu.RBX) {
            e.displacement = wanted - (int) middle(Seg.DS);
            if (e.displacement == (byte) e.displacement) {
                e.mod16 = e.displacement == 0 ? 0 : 1;
            }
        } else if (e.rm16 == 6 && chance(1, 4)) {
            // The offset alone.
            e.mod16 = 0;
            e.displacement = wanted;
        } else {
            int by = random.nextInt(-128, 128);
            number(Cpu.RBP, wanted - by & 0xFFFF | random.nextInt() << 16);
            e.displacement = by;
            e.mod16 = chance(1, 2) ? 1 : 2;
        }
    }

    private void integer(Form form) {
        IntegerEncoder e = encoder(form);
        String name = form.mnemonic();
        if (name.equals("SHLD") || name.equals("SHRD")) {
            // More than 16 of 16 bits: vendors give different results.
            e.word = code16;
        }
        boolean moffs =
                form.operands().contains(Operand.Ob) || form.operands().contains(Operand.Ov);
        if (code64) {
            e.shortAddress = chance(1, 30) && !moffs && e.hasMemory(form);
        }
        boolean locked =
                e.memory && form.is(Form.LOCK)
                        || name.equals("XCHG")
                        || name.startsWith("CMPXCHG8B");
        if (locked) {
            // Locked accesses must not cross cache lines.
            int mask = name.startsWith("CMPXCHG8B") ? -16 : -8;
            e.displacement &= mask;
            e.address &= mask;
            if (mask == -16 && e.addressing.hasIndex()) {
                e.addressing = Addressing.BASE_DISP32;
            }
            e.lock = e.hasMemory(form) && form.is(Form.LOCK) && chance(1, 2);
        }
        if (name.startsWith("BT") && form.operands().contains(Operand.Gv) && e.hasMemory(form)) {
            // The bit may be anywhere around the operand.
            e.reg = Cpu.RAX + random.nextInt(3);
            number(e.reg, random.nextInt(-600, 600));
        }
        switch (name) {
            case "DIV" -> {
                // XOR EDX,EDX: most quotients fit.
                if (chance(7, 8)) {
                    bytes(0x31, 0xD2);
                }
            }
            case "IDIV" -> {
                if (chance(7, 8)) {
                    // CQO or CDQ
                    wide();
                    bytes(0x99);
                }
            }
            case "PUSHF", "PUSH", "PUSHA", "POPA", "POP", "LEAVE", "ENTER", "POPF" -> {
                stack();
                return;
            }
            default -> {}
        }
        place(form, e);
        add(form, e.encode(form, at + out.size()));
    }

    private void add(Form form, byte[] code) {
        out.writeBytes(code);
        if (form.undefinedFlags() != 0) {
            // CMP RAX,RBP defines them all.
            wide();
            bytes(0x39, 0xE8);
        }
    }

    private static final Set<String> STACK =
            Set.of("PUSH", "POP", "PUSHF", "PUSHA", "POPA", "POPF", "ENTER", "LEAVE");

    private static final Set<String> MOVES_FAR = Set.of("ENTER", "LEAVE", "PUSHA");

    private final List<Form> stackForms = new ArrayList<>();

    /** An instruction that pushes or pops, and often RSP back to where it was. */
    private void stack() {
        if (stackForms.isEmpty()) {
            integers.stream().filter(f -> STACK.contains(f.mnemonic())).forEach(stackForms::add);
        }
        Form form = pick(stackForms);
        IntegerEncoder e = encoder(form);
        switch (form.mnemonic()) {
            case "LEAVE" -> {
                address(Cpu.RBP, Seg.SS, displacement());
                e.word &= windows.isPresent();
            }
            case "ENTER" -> {
                address(Cpu.RBP, Seg.SS, displacement());
                e.immediate = random.nextInt(32);
                e.immediate2 = random.nextInt(4);
                e.word &= windows.isPresent();
            }
            case "POPF" -> {
                // PUSH flags, with neither TF nor AC nor NT.
                e.word &= windows.isPresent();
                if (e.word) {
                    bytes(0x66);
                }
                bytes(0x68);
                little(random.nextInt() & IntegerRig.FLAGS, e.word != code16 ? 2 : 4);
            }
            default -> {}
        }
        place(form, e);
        add(form, e.encode(form, at + out.size()));
        if (form.mnemonic().equals("POPA")) {
            number(Cpu.RBX, (int) middle(Seg.DS));
            smallIndex();
        }
        boolean moved = MOVES_FAR.contains(form.mnemonic());
        if (moved || e.memory || chance(1, 2)) {
            address(Cpu.RSP, Seg.SS, displacement() & -8);
        }
    }

    private void string() {
        Form form = pick(strings);
        address(Cpu.RSI, Seg.DS, displacement());
        address(Cpu.RDI, Seg.ES, displacement());
        number(Cpu.RCX, random.nextInt(9));
        if (chance(1, 2)) {
            bytes(chance(1, 2) ? 0xFC : 0xFD);
        }
        if (chance(2, 3)) {
            bytes(chance(1, 2) ? 0xF2 : 0xF3);
        }
        boolean near = segments[Seg.DS].isNear() && segments[Seg.ES].isNear();
        if (windows.isPresent() && (near && chance(1, 2)) != code16) {
            bytes(0x67);
        }
        int size = random.nextInt(4);
        if (size == 0) {
            bytes(0x66);
        } else if (size == 1 && code64) {
            wide();
        }
        bytes(form.opcode());
        smallIndex();
    }

    /** A jump or call over the next few instructions. */
    private void transfer() {
        Form form = pick(transfers);
        if (form.hasModRm() || form.mnemonic().equals("RET")) {
            indirect();
            return;
        }
        byte[] before = out.toByteArray();
        out.reset();
        int skipped = random.nextInt(1, 4);
        long start = at;
        boolean word = windows.isPresent() && chance(1, 6);
        boolean counts = form.map() == 0 && form.opcode() >= 0xE0 && form.opcode() <= 0xE3;
        boolean otherCounter = counts && chance(1, 4);
        int size = form.operands().contains(Operand.Jz) ? word != code16 ? 2 : 4 : 1;
        int prefixes = (word ? 1 : 0) + (otherCounter ? 1 : 0);
        // What is jumped over stands behind a jump of this many bytes.
        int jump = prefixes + (form.map() == 1 ? 2 : 1) + size;
        at = start + before.length + jump;
        for (int i = 0; i < skipped; i++) {
            integer(pick(integers));
        }
        byte[] over = out.toByteArray();
        at = start;
        out.reset();
        out.writeBytes(before);
        if (over.length < 128 || size > 1) {
            if (word) {
                bytes(0x66);
            }
            if (otherCounter) {
                bytes(0x67);
            }
            if (form.map() == 1) {
                bytes(0x0F);
            }
            bytes(form.opcode());
            little(over.length, size);
        } else {
            // Keeps the place of what follows.
            for (int i = 0; i < jump; i++) {
                bytes(0x90);
            }
        }
        out.writeBytes(over);
        if (form.mnemonic().equals("CALL")) {
            address(Cpu.RSP, Seg.SS, displacement() & -8);
        }
    }

    /** A jump or call through a register or memory, or a return, to the next instruction. */
    private void indirect() {
        if (!code64) {
            narrow.indirect();
            return;
        }
        int how = random.nextInt(5);
        // LEA RAX,[RIP+...] to behind what follows.
        int[][] after = {
            // JMP RAX
            {0xFF, 0xE0},
            // CALL RAX
            {0xFF, 0xD0},
            // MOV [RBX],RAX; JMP [RBX]
            {0x48, 0x89, 0x03, 0xFF, 0x23},
            // MOV [RBX],RAX; CALL [RBX]
            {0x48, 0x89, 0x03, 0xFF, 0x13},
            // PUSH RAX; RET
            {0x50, 0xC3}
        };
        bytes(0x48, 0x8D, 0x05);
        little(after[how].length, 4);
        bytes(after[how]);
        if (how == 1 || how == 3) {
            address(Cpu.RSP, Seg.SS, displacement() & -8);
        }
    }

    /**
     * What a form is like.
     *
     * @param memory ModRM.rm can only be memory
     * @param few all its registers are vectors
     * @param atRdi stores at RDI
     */
    private record Traits(boolean memory, boolean few, boolean atRdi) {
        static Traits of(Form form) {
            List<Operand> operands = form.operands();
            String name = form.mnemonic();
            return new Traits(
                    form.is(Form.MEMORY_ONLY)
                            || operands.stream().anyMatch(o -> o.name().startsWith("M")),
                    form.isVector() && operands.stream().allMatch(Operand::isVector),
                    name.startsWith("MASKMOV") || name.equals("VMASKMOVDQU"));
        }
    }

    private final IdentityHashMap<Form, Traits> traits = new IdentityHashMap<>();

    private FormEncoder vectorEncoder(Form form) {
        FormEncoder e = new FormEncoder();
        e.code16 = code16;
        e.longAddress = !segments[Seg.DS].isNear() || chance(1, 2);
        Traits traits = this.traits.computeIfAbsent(form, Traits::of);
        e.memory =
                form.hasModRm()
                        && form.digit() < Form.EXACT
                        && !form.is(Form.REGISTER_ONLY)
                        && (traits.memory || chance(1, 2));
        if (form.mnemonic().equals("CVTPI2PS")) {
            // From memory, processors of AMD leave the x87 unit alone.
            e.memory = false;
        }
        e.wide = chance(1, 2) && (code64 || form.is(Form.VEX));
        // Few registers, so that results are used.
        boolean few = traits.few;
        e.reg = few ? random.nextInt(6) : register();
        e.rm = few ? random.nextInt(6) : register();
        e.vvvv = few ? random.nextInt(6) : register();
        e.wideVector = chance(1, 2);
        e.longPrefix = chance(1, 2);
        e.base = Cpu.RBX;
        e.displacement =
                chance(1, 400) && !form.mnemonic().startsWith("SHA")
                        ? random.nextInt(-100, 100)
                        : 32 * random.nextInt(-3, 4);
        e.immediate = random.nextInt(256);
        e.immediate2 = random.nextInt(256);
        return e;
    }

    private void vector(Form form) {
        boolean atRdi = traits.computeIfAbsent(form, Traits::of).atRdi;
        if (atRdi) {
            address(Cpu.RDI, Seg.DS, displacement());
        }
        add(form, vectorEncoder(form).encode(form));
        if (atRdi) {
            smallIndex();
        }
    }

    /** A gather whose indices are made small first. */
    private void gather() {
        Form form = pick(gathers);
        FormEncoder e = vectorEncoder(form);
        e.memory = true;
        e.longAddress = true;
        e.reg = random.nextInt(8);
        e.index = e.reg + 1 + random.nextInt(3) & 7;
        e.vvvv = e.index + 1 + random.nextInt(3) & 7;
        if (e.vvvv == e.reg) {
            e.vvvv = e.index ^ 4;
        }
        if (e.vvvv == e.reg) {
            return;
        }
        e.scale = 0;
        boolean qword = (form.opcode() & 1) != 0;
        // VPSRLQ or VPSRLD index,index,all but 7 bits
        bytes(0xC5, ~e.index << 3 & 0x78 | 0x85, qword ? 0x73 : 0x72, 0xD0 | e.index);
        bytes(qword ? 57 : 25);
        e.displacement = random.nextInt(-200, 100);
        add(form, e.encode(form));
    }

    // --- states ---------------------------------------------------------------------------------

    /** A state to start the last sequence from. */
    void prepare(UserState start, Flavour flavour) {
        states.fill(start, flavour, code64 ? 16 : 8);
        start.gprs[Cpu.RBX] = first[Seg.DS].middle();
        start.gprs[Cpu.RDI] = index() & (code64 ? -1 : 0xFFFF_FFFFL);
        start.gprs[Cpu.RSP] = first[Seg.SS].middle();
        if (code64) {
            start.gprs[R13] = ROUNDS;
        }
    }
}
