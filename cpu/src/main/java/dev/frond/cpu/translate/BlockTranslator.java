// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JA;
import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.JZ;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.PF2;
import static dev.frond.cpu.translate.Assembler.PF3;
import static dev.frond.cpu.translate.Assembler.PLOCK;
import static dev.frond.cpu.translate.Assembler.R13;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RAX;
import static dev.frond.cpu.translate.Assembler.RBP;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RDI;
import static dev.frond.cpu.translate.Assembler.REX;
import static dev.frond.cpu.translate.Assembler.RSI;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.translate.CodeStore.Kind;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;

/** Emits the host's code of a block of guest code. */
final class BlockTranslator {
    /** A block ends after this many instructions at the latest. */
    private static final int MAX_BLOCK = 64;

    private static final int PAGE = 4096;

    /** The bytes of the longest instruction but for its first. */
    private static final int REACH = 14;

    private static final IdentityHashMap<Form, Shape> SHAPES = new IdentityHashMap<>();
    private static final List<Form> FORMS = Table.forms();

    static {
        for (Form form : FORMS) {
            SHAPES.put(form, Shape.of(form));
        }
    }

    /** Where the guest's status flags are. */
    private enum State {
        /** In the host's; or nowhere, if the guest does not read them any more. */
        HOST,
        /** In {@link Context#FLAGS}. */
        SAVED,
        /** In both. */
        BOTH
    }

    /** Code that is put behind the block: where an access goes on that the TLB does not know. */
    private record Slow(int jump, int site, boolean saved) {}

    /** Code that is put behind the block: where a conditional jump leads. */
    private record Taken(int jump, int from, int target, int count, State state, int key) {}

    private final Cpu cpu;
    private final CodeStore store;
    private final Stubs stubs;
    private final Decoder decoder;
    private final Assembler a = new Assembler();

    /** The page that is being translated, and what an instruction may reach into behind it. */
    private final byte[] buffer = new byte[PAGE + REACH];

    private final Insn[] insns = new Insn[MAX_BLOCK];
    private final Shape[] shapes = new Shape[MAX_BLOCK];

    private final FlagUse[] flags = new FlagUse[MAX_BLOCK];
    private final AccessGroups groups = new AccessGroups(insns, shapes);

    /** The flags that the guest may read of those that an instruction leaves. */
    private final int[] live = new int[MAX_BLOCK];

    private final List<Slow> slow = new ArrayList<>();
    private final List<Taken> taken = new ArrayList<>();

    private CodePage page;
    private int blockOffset;

    /** The mode that the code is for which is being emitted: the block's, but for RFLAGS.AC. */
    private int key;

    private int origin;
    private State state = State.HOST;
    private int index;
    private int hostStart;

    /** The loop that the block is, as soon as it is known where it goes on. */
    private @Nullable LoopEmitter loop;

    /** The loop whose rounds are being emitted. */
    private @Nullable LoopPlan loopPlan;

    /** Whether the guest's RCX is in the host's for the moment. */
    private boolean rcxCopied;

    private final SystemEmitter system;

    /** PUSHF is left: undefined flags differ between the engines. */
    private boolean flagsStay;

    /** For a comparison with the interpreter: PUSHF shows flags that may differ. */
    void leavePushes() {
        flagsStay = true;
    }

    BlockTranslator(Cpu cpu, CodeStore store, Stubs stubs) {
        this.cpu = cpu;
        this.store = store;
        this.stubs = stubs;
        decoder = new Decoder(FORMS, cpu.cpuid.model().features());
        page = new CodePage(-1, 0, false);
        system = new SystemEmitter(this, a, stubs);
    }

    /** The mode that code is being emitted for. */
    int mode() {
        return key;
    }

    /** Lets what is emitted from here on be for another mode. */
    void mode(int mode) {
        key = mode;
    }

    private int fetch(int offset) {
        MemorySegment.copy(
                cpu.ram.segment(),
                ValueLayout.JAVA_BYTE,
                page.ramOffset + offset,
                buffer,
                offset,
                PAGE - offset);
        return PAGE;
    }

    /**
     * The instruction at {@code offset} of a page, as it was when the block was translated; null if
     * it is none, or reaches into the next page.
     */
    @Nullable Insn decode(CodePage of, int offset) {
        page = of;
        int limit = fetch(offset);
        return decoder.decode(buffer, offset, limit, offset, Cpu.CODE_64);
    }

    private static boolean mayCross(int offset) {
        return offset + REACH >= PAGE;
    }

    /** Whether the instruction at {@code offset} of a page may reach into the next page. */
    boolean crosses(CodePage page, int offset) {
        return mayCross(offset) && decode(page, offset) == null;
    }

    /** Translates the block at {@code offset} of a page for the mode {@code key}. */
    Block translate(CodePage from, int offset, int key) {
        store.makeRoom();
        page = from.dropped ? store.page(from.ramOffset) : from;
        this.key = key;
        blockOffset = offset;
        int limit = fetch(offset);
        int count = 0;
        int at = offset;
        boolean open = true;
        boolean interpretNext = false;
        while (open && count < MAX_BLOCK && at < limit) {
            Insn insn = decoder.decode(buffer, at, limit, at, Cpu.CODE_64);
            if (insn == null) {
                // If it is one that reaches into the next page, it gets a block of its own.
                interpretNext = count == 0 || !mayCross(at);
                break;
            }
            take(count, insn);
            open = !insn.form.is(Form.END) || goesOnBehind(shapes[count]);
            count++;
            at += insn.length;
        }
        page.cover(offset, Math.max(at, offset + 1));
        groups.find(count, !page.separate);
        boolean liveIn = liveness(count);
        return emit(page, count, at, open, interpretNext, liveIn);
    }

    /**
     * Translates the instruction at {@code offset} of a page that reaches into the one at {@code
     * secondPage} of RAM; null if there is none.
     */
    @Nullable Block translateCrossing(CodePage from, long secondPage, int offset, int key) {
        store.makeRoom();
        page = from.dropped ? store.page(from.ramOffset) : from;
        this.key = key;
        blockOffset = offset;
        fetch(offset);
        CodePage second = store.page(secondPage);
        MemorySegment.copy(
                cpu.ram.segment(), ValueLayout.JAVA_BYTE, secondPage, buffer, PAGE, REACH);
        Insn insn = decoder.decode(buffer, offset, PAGE + REACH, offset, Cpu.CODE_64);
        if (insn == null || offset + insn.length <= PAGE) {
            return null;
        }
        take(0, insn);
        int end = offset + insn.length;
        page.cover(offset, PAGE);
        second.coverEndOf(page, end - PAGE);
        boolean open = !insn.form.is(Form.END) || goesOnBehind(shapes[0]);
        groups.find(1, false);
        return emit(second, 1, end, open, false, liveness(1));
    }

    /** Notes how instruction number {@code at} of the block is taken. */
    private void take(int at, Insn insn) {
        Shape shape = SHAPES.get(insn.form);
        if (shape == null) {
            throw new IllegalStateException("form " + insn.form + " has no shape");
        }
        insns[at] = insn;
        if (insn.memory && isBitTest(insn.form) && shape.reg() == Shape.Kind.GENERAL) {
            shape = Shape.FAR_BIT;
        }
        shapes[at] = taken(insn, shape) ? shape : Shape.LEFT;
        flags[at] = shapes[at].flags().of(insn);
    }

    /** String instructions and STAC end the interpreter's blocks, but not the translator's. */
    private static boolean goesOnBehind(Shape shape) {
        return switch (shape.path()) {
            case MOVE_STRING, STORE_STRING, CLEAR_FLAG, SET_ACCESS -> true;
            default -> false;
        };
    }

    private boolean liveness(int count) {
        int after = Cpu.STATUS;
        for (int i = count - 1; i >= 0; i--) {
            live[i] = after;
            after = flags[i].needed(after);
        }
        return after != 0;
    }

    private Block emit(
            CodePage second,
            int count,
            int end,
            boolean open,
            boolean interpretNext,
            boolean liveIn) {
        a.clear();
        slow.clear();
        taken.clear();
        origin = store.position();
        int firstSite = store.siteCount();
        Block block = enter(second, liveIn);
        state = State.HOST;
        for (index = 0; index < count; index++) {
            hostStart = origin + a.size();
            int run = stackRun(count);
            if (run > 1) {
                emitRun(run);
                index += run - 1;
            } else {
                emit(insns[index], shapes[index], block);
            }
        }
        if (interpretNext) {
            index = count;
            hostStart = origin + a.size();
            leaveFor(Kind.ALONE, end);
        } else if (open) {
            index = count - 1;
            go(end, PAGE, count, block);
        }
        LoopPlan plan = liveIn || block.crosses() ? null : loop(count);
        if (plan != null) {
            emitLoop(plan, block);
        }
        for (int i = 0; i < taken.size(); i++) {
            Taken t = taken.get(i);
            a.land4(t.jump);
            state = t.state;
            key = t.key;
            go(t.target, t.from, t.count, block);
        }
        for (Slow s : slow) {
            a.land4(s.jump);
            leave(s.saved, s.site);
        }
        loop = null;
        store.setSiteBlocks(firstSite, block);
        store.append(a);
        page.put(block);
        return block;
    }

    private @Nullable LoopPlan loop(int count) {
        return LoopPlan.of(insns, shapes, count, blockOffset);
    }

    /** Emits the loop that the block begins with once more. */
    private void emitLoop(LoopPlan plan, Block block) {
        LoopEmitter emitter = new LoopEmitter(this, a, plan);
        state = State.HOST;
        key = block.key();
        emitter.emitHead(block.start() - origin);
        loop = emitter;
        loopPlan = plan;
        for (index = 0; index < plan.last; index++) {
            hostStart = origin + a.size();
            emit(insns[index], shapes[index], block);
        }
        loopPlan = null;
        hostStart = origin + a.size();
        Insn jump = insns[index];
        if (shapes[index].path() == Shape.Path.CONDITIONAL_JUMP) {
            needFlags();
            int out = a.jump(jump.opcode & 15 ^ 1);
            State after = state;
            emitter.emitBack(jump);
            a.land4(out);
            emitter.emitOut();
            state = after;
            go(jump.offset + jump.length, PAGE, index + 1, block);
        } else {
            emitter.emitBack(jump);
        }
    }

    /** Emits how the block is entered. */
    @SuppressWarnings("ReferenceEquality") // A page is its identity.
    private Block enter(CodePage second, boolean liveIn) {
        boolean crosses = second != page;
        int flagsLive = origin;
        int flagsSaved = origin;
        if (crosses) {
            state = State.HOST;
            saveFlags();
            flagsSaved += a.size();
            goFar(blockOffset);
        }
        int fromJump = origin + a.size();
        a.lea(RCX, RCX, -blockOffset);
        a.store(RSP, Context.CODE_BASE, RCX);
        // When the block is dropped, this is overwritten.
        while (origin + a.size() < fromJump + CodeStore.LEAVE) {
            a.byte1(0x90);
        }
        if (!crosses) {
            flagsSaved = origin + a.size();
        }
        if (liveIn) {
            restoreFlags();
        }
        int start = origin + a.size();
        if (!crosses) {
            flagsLive = start;
        }
        return new Block(page, second, blockOffset, key, fromJump, flagsSaved, flagsLive, start);
    }

    // --- what is taken
    // ----------------------------------------------------------------------------

    private boolean taken(Insn insn, Shape shape) {
        int state = insn.form.is(Form.VEX) ? Modes.WIDE_VECTORS : Modes.VECTORS;
        if (shape.vector() && (key & state) == 0) {
            return false;
        }
        return switch (shape.path()) {
            case MODRM, OPCODE_REGISTER -> modRmTaken(insn, shape);
            case FAR_BIT -> insn.size >= 4 && insn.addressSize == 8;
            case PUSH_FLAGS -> insn.size == 8 && !flagsStay;
            case INTERRUPT_FLAG, SWAP_GS -> (key & Modes.USER) == 0;
            case CLEAR_FLAG -> insn.form.map() == 0 || (key & Modes.USER) == 0;
            case SET_ACCESS -> (key & Modes.USER) == 0;
            case SYSTEM_CALL -> (key & Modes.USER) != 0;
            case SYSTEM_RETURN, INTERRUPT_RETURN ->
                    insn.size == 8 && (key & (Modes.USER | Modes.ACCESS)) == 0;
            case MOVE_SELECTOR -> !insn.memory && insn.reg <= Seg.GS;
            case MOVE_STRING, STORE_STRING ->
                    insn.addressSize == 8
                            && insn.stringSegment != Seg.FS64
                            && insn.stringSegment != Seg.GS64;
            case EXCHANGE_8_OR_16 -> true;
            case NOP_OR_EXCHANGE -> insn.opcodeRegister == 0;
            case PUSH_REGISTER,
                    PUSH_IMMEDIATE,
                    PUSH_MEMORY,
                    POP_REGISTER,
                    LEAVE,
                    CALL,
                    CALL_INDIRECT,
                    JUMP_INDIRECT,
                    RETURN ->
                    insn.size == 8;
            case NOT_TAKEN -> false;
            default -> true;
        };
    }

    private static boolean isBitTest(Form form) {
        return switch (form.mnemonic()) {
            case "BT", "BTS", "BTR", "BTC" -> true;
            default -> false;
        };
    }

    static boolean isSpilled(int guest) {
        return guest >= Context.FIRST_SPILLED;
    }

    private static boolean modRmTaken(Insn insn, Shape shape) {
        boolean opcodeRegister = shape.path() == Shape.Path.OPCODE_REGISTER;
        boolean registerRm = opcodeRegister || !insn.memory;
        int rm = opcodeRegister ? insn.opcodeRegister : insn.rm;
        switch (insn.form.mnemonic()) {
            case "BSWAP" -> {
                if (insn.size == 2) {
                    return false;
                }
            }
            case "MULX" -> {
                if (isSpilled(insn.reg) && isSpilled(insn.vvvv) && insn.reg != insn.vvvv) {
                    return false;
                }
            }
            default -> {}
        }
        if (shape.usesCl()) {
            boolean regSpilled = shape.reg() == Shape.Kind.GENERAL && isSpilled(insn.reg);
            boolean rmBusy = !registerRm || isSpilled(rm);
            if (regSpilled && rmBusy) {
                return false;
            }
        }
        boolean regHigh = isHigh(insn, shape.reg(), insn.reg);
        boolean rmHigh = registerRm && isHigh(insn, shape.rm(), rm);
        if (!regHigh && !rmHigh) {
            return true;
        }
        // AH to BH can be named only without REX. RCX is in a register that needs it; between
        // registers it is copied to where it does not.
        boolean copied = registerRm && !opcodeRegister;
        if (!copied
                && (regHigh && insn.byteRegister(insn.reg) == CH
                        || rmHigh && insn.byteRegister(rm) == CH)) {
            return false;
        }
        return (regHigh
                        || copied && namesRcx(shape.reg(), insn.reg)
                        || namedWithoutRex(shape.reg(), insn.reg))
                && (rmHigh
                        || !registerRm
                        || copied && namesRcx(shape.rm(), rm)
                        || namedWithoutRex(shape.rm(), rm))
                && !(shape.usesCl() && !registerRm);
    }

    private static final int CH = 0x100 | Cpu.RCX;

    private static boolean namesRcx(Shape.Kind kind, int guest) {
        return isGeneral(kind) && guest == Cpu.RCX;
    }

    private static boolean isHigh(Insn insn, Shape.Kind kind, int guest) {
        return kind == Shape.Kind.BYTE && (insn.byteRegister(guest) & 0x100) != 0;
    }

    /** Whether an instruction between registers needs RCX where no REX is needed. */
    private static boolean copiesRcx(Insn insn, Shape shape) {
        boolean regHigh = isHigh(insn, shape.reg(), insn.reg);
        boolean rmHigh = isHigh(insn, shape.rm(), insn.rm);
        return (regHigh || rmHigh)
                && (namesRcx(shape.reg(), insn.reg)
                        || namesRcx(shape.rm(), insn.rm)
                        || regHigh && insn.byteRegister(insn.reg) == CH
                        || rmHigh && insn.byteRegister(insn.rm) == CH);
    }

    private static boolean namedWithoutRex(Shape.Kind kind, int guest) {
        return switch (kind) {
            case NOTHING, DIGIT -> true;
            case XMM -> guest < 8;
            case GENERAL -> !isSpilled(guest) && Context.host(guest) < 8;
            case BYTE -> guest < 4 && guest != Cpu.RCX;
        };
    }

    // --- one instruction
    // --------------------------------------------------------------------------

    private void emit(Insn insn, Shape shape, Block block) {
        switch (shape.path()) {
            case MODRM -> modRm(insn, shape);
            case OPCODE_REGISTER -> opcodeRegister(insn, shape);
            case PLAIN -> plain(insn, shape);
            case ACCUMULATOR_OFFSET -> accumulatorOffset(insn);
            case EXCHANGE_ACCUMULATOR -> exchangeAccumulator(insn);
            case NOP, NOP_OR_EXCHANGE -> {}
            case LEA -> loadEffectiveAddress(insn);
            case PUSH_FLAGS -> system.pushFlags();
            case INTERRUPT_FLAG -> system.interruptFlag(insn);
            case CLEAR_FLAG -> system.clearFlag(insn);
            case SET_ACCESS -> system.setAccess(insn);
            case SYSTEM_CALL -> system.systemCall(insn);
            case SYSTEM_RETURN -> system.systemReturn(insn);
            case INTERRUPT_RETURN -> system.interruptReturn(insn);
            case SWAP_GS -> system.swapGs();
            case MOVE_SELECTOR -> system.moveSelector(insn);
            case SEGMENT_BASE -> system.segmentBase(insn);
            case TIME -> system.readTime(insn);
            case MOVE_STRING, STORE_STRING -> string(insn, shape);
            case FAR_BIT -> farBit(insn);
            case EXCHANGE_8_OR_16 -> exchangeTwo(insn);
            case PUSH_REGISTER, PUSH_IMMEDIATE, PUSH_MEMORY -> push(insn, shape);
            case POP_REGISTER -> pop(insn);
            case LEAVE -> leaveFrame();
            case JUMP -> go(target(insn), insn.offset, index + 1, block);
            case CONDITIONAL_JUMP -> {
                needFlags();
                int jump = a.jump(insn.opcode & 15);
                taken.add(new Taken(jump, insn.offset, target(insn), index + 1, state, key));
            }
            case CALL -> call(insn, block);
            case JUMP_INDIRECT -> jumpIndirect(insn);
            case CALL_INDIRECT -> callIndirect(insn);
            case RETURN -> ret();
            case NOT_TAKEN -> {
                leaveFor(Kind.INTERPRET, insn.offset);
                if (insn.form.is(Form.END)) {
                    // Many of those that end a block most often go on with the next instruction.
                    go(insn.offset + insn.length, insn.offset, index + 1, block);
                }
            }
        }
    }

    /** Where a jump goes, from the start of its page. */
    static int target(Insn insn) {
        return insn.offset + insn.length + (int) insn.immediate;
    }

    private int prefixes(Insn insn) {
        Form form = insn.form;
        int flags =
                switch (form.prefix()) {
                    case Form.PREFIX_66 -> P66;
                    case Form.PREFIX_F2 -> PF2;
                    case Form.PREFIX_F3 -> PF3;
                    default -> 0;
                };
        if (form.sizing() == Form.Sizing.V && insn.size == 2) {
            flags |= P66;
        }
        boolean wide =
                switch (form.sizing()) {
                    case V, Y -> insn.size == 8;
                    default -> form.is(Form.W1) || isExplicitString(form) && insn.rexW();
                };
        return flags | (wide ? W : 0) | (insn.lock ? PLOCK : 0) | vex(insn);
    }

    /** The VEX prefix's fields, VEX.vvvv being a vector register or none yet. */
    private static int vex(Insn insn) {
        return insn.form.is(Form.VEX) ? Assembler.vex(0, insn.wideVector) : 0;
    }

    /**
     * What to join with the prefixes if VEX.vvvv names a register. A spilled one is in R15, where a
     * spilled destination may be too: with a VEX prefix that is only written.
     */
    private int vvvv(Insn insn, Shape shape) {
        return switch (shape.vvvv()) {
            case NOTHING -> 0;
            case GENERAL -> Assembler.vex(general(insn.vvvv, R15), false);
            default -> Assembler.vex(insn.vvvv, false);
        };
    }

    /** The string comparisons whose lengths are in EAX and EDX, or with REX.W in RAX and RDX. */
    private static boolean isExplicitString(Form form) {
        return form.mnemonic().startsWith("PCMPESTR") || form.mnemonic().startsWith("VPCMPESTR");
    }

    private void immediate(Insn insn, Shape shape) {
        switch (shape.immediate(insn)) {
            case 1 -> a.byte1((int) insn.immediate);
            case 2 -> a.int2((int) insn.immediate);
            case 4 -> a.int4((int) insn.immediate);
            case 8 -> a.int8(insn.immediate);
            default -> {}
        }
    }

    /** The host's name of a register operand, a spilled one being loaded to {@code scratch}. */
    private int register(Insn insn, Shape.Kind kind, int guest, int scratch) {
        return switch (kind) {
            case NOTHING -> 0;
            case DIGIT -> insn.modRm >>> 3 & 7;
            case XMM -> guest;
            case GENERAL -> general(guest, scratch);
            case BYTE -> {
                int named = insn.byteRegister(guest);
                // AH, CH, DH, BH are 4 to 7.
                yield (named & 0x100) != 0 ? (named & 3) + 4 : general(guest, scratch);
            }
        };
    }

    int general(int guest, int scratch) {
        if (isSpilled(guest)) {
            a.load(scratch, RSP, Context.slot(guest));
            return scratch;
        }
        return rcxCopied && guest == Cpu.RCX ? RCX : Context.host(guest);
    }

    private static boolean isGeneral(Shape.Kind kind) {
        return kind == Shape.Kind.GENERAL || kind == Shape.Kind.BYTE;
    }

    void writeBack(Shape.Kind kind, int guest, int scratch) {
        if (isGeneral(kind) && isSpilled(guest)) {
            a.store(RSP, Context.slot(guest), scratch);
        }
    }

    /** REX if a byte register would otherwise be AH to BH. */
    private static int rexFor(Insn insn, Shape.Kind kind, int guest, int host) {
        return kind == Shape.Kind.BYTE
                        && (insn.byteRegister(guest) & 0x100) == 0
                        && host >= RSP
                        && host < 8
                ? REX
                : 0;
    }

    private void modRm(Insn insn, Shape shape) {
        int flags = prefixes(insn);
        int map = insn.form.map();
        if (insn.memory) {
            LoopEmitter.Operand operand = operand(insn, shape);
            needFlags();
            int base = RCX;
            if (shape.usesCl()) {
                a.move(R15, RCX);
                a.move4(RCX, R13);
                base = R15;
            }
            int reg = register(insn, shape.reg(), insn.reg, R15);
            mayFault(insn);
            a.memory(
                    flags | vvvv(insn, shape) | rexFor(insn, shape.reg(), insn.reg, reg),
                    map,
                    insn.opcode,
                    reg,
                    base,
                    operand.index(),
                    operand.scale(),
                    operand.displacement());
        } else {
            needFlags();
            boolean same =
                    isGeneral(shape.reg())
                            && isGeneral(shape.rm())
                            && insn.reg == insn.rm
                            && isSpilled(insn.rm)
                            && shape.vvvv() == Shape.Kind.NOTHING;
            int rmScratch = same || shape.usesCl() ? R15 : RCX;
            rcxCopied = copiesRcx(insn, shape);
            if (rcxCopied) {
                a.move(RCX, R13);
            }
            int reg = register(insn, shape.reg(), insn.reg, R15);
            int rm = same ? reg : register(insn, shape.rm(), insn.rm, rmScratch);
            if (shape.usesCl() && !rcxCopied) {
                a.move4(RCX, R13);
            }
            mayFault(insn);
            a.registers(
                    flags
                            | vvvv(insn, shape)
                            | rexFor(insn, shape.reg(), insn.reg, reg)
                            | rexFor(insn, shape.rm(), insn.rm, rm),
                    map,
                    insn.opcode,
                    reg,
                    rm);
            immediate(insn, shape);
            if (rcxCopied) {
                a.move(R13, RCX);
                rcxCopied = false;
            }
            if (shape.registers().rm()) {
                writeBack(shape.rm(), insn.rm, rmScratch);
            }
        }
        if (insn.memory) {
            immediate(insn, shape);
        }
        if (shape.registers().reg()) {
            writeBack(shape.reg(), insn.reg, R15);
        }
        if (shape.writesVvvv()) {
            writeBack(shape.vvvv(), insn.vvvv, R15);
        }
        if (writesEcx(insn.form)) {
            a.move(R13, RCX);
        }
        flagsAfter();
    }

    /** Lets the operand be in memory at RCX and what the result names. */
    private LoopEmitter.Operand operand(Insn insn, Shape shape) {
        LoopPlan.Group group = loopPlan == null ? null : loopPlan.group(index);
        if (loop != null && group != null) {
            return loop.operand(insn, group, isHigh(insn, shape.reg(), insn.reg));
        }
        int offset = 0;
        if (loopPlan != null || !groups.isMember(index)) {
            access(insn, shape.access(insn), shape.writesMemory());
        } else {
            offset = groups.offset(index);
            if (groups.isFirst(index)) {
                saveLiveFlags();
                address(insn, true, insn.displacement - offset);
                check(groups.span(index), groups.writes(index), true);
            }
        }
        if (alignment(insn, shape) > 1) {
            saveLiveFlags();
            align(alignment(insn, shape));
        }
        return new LoopEmitter.Operand(NONE, 0, offset);
    }

    /** What the address of the memory operand must be a multiple of. */
    static int alignment(Insn insn, Shape shape) {
        int size = shape.access(insn);
        return size >= 16 && !insn.form.is(Form.UNALIGNED) ? size : 1;
    }

    /** Whether an instruction between registers needs RCX for one that is spilled, or as such. */
    static boolean needsRcx(Insn insn, Shape shape) {
        return isGeneral(shape.rm()) && isSpilled(insn.rm)
                || writesEcx(insn.form)
                || copiesRcx(insn, shape);
    }

    private static boolean writesEcx(Form form) {
        return switch (form.mnemonic()) {
            case "PCMPISTRI", "PCMPESTRI", "VPCMPISTRI", "VPCMPESTRI" -> true;
            default -> false;
        };
    }

    /** Notes where a division stands: the host raises its #DE. */
    private void mayFault(Insn insn) {
        String name = insn.form.mnemonic();
        if (name.equals("DIV") || name.equals("IDIV")) {
            store.addFaultSite(
                    origin + a.size(),
                    site(Kind.ALONE, false, state == State.SAVED, index + 1, insn.offset));
        }
    }

    private void opcodeRegister(Insn insn, Shape shape) {
        int guest = insn.opcodeRegister;
        int host = register(insn, shape.rm(), guest, R15);
        int flags = prefixes(insn) | rexFor(insn, shape.rm(), guest, host);
        a.opcodeRegister(flags, insn.form.map(), insn.opcode & ~7, host);
        immediate(insn, shape);
        writeBack(shape.rm(), guest, R15);
    }

    private void plain(Insn insn, Shape shape) {
        needFlags();
        a.plain(prefixes(insn), insn.form.map(), insn.opcode);
        immediate(insn, shape);
        flagsAfter();
    }

    /** MOV between the accumulator and an address in the instruction: as MOV with ModRM. */
    private void accumulatorOffset(Insn insn) {
        boolean writes = insn.opcode >= 0xA2;
        int size = (insn.opcode & 1) == 0 ? 1 : insn.size;
        access(insn, size, writes);
        int opcode = (writes ? 0x88 : 0x8A) | insn.opcode & 1;
        a.memory(size == 1 ? 0 : prefixes(insn), 0, opcode, RAX, RCX, 0);
        flagsAfter();
    }

    private void exchangeAccumulator(Insn insn) {
        int host = general(insn.opcodeRegister, R15);
        a.registers(prefixes(insn), 0, 0x87, RAX, host);
        writeBack(Shape.Kind.GENERAL, insn.opcodeRegister, R15);
    }

    private void loadEffectiveAddress(Insn insn) {
        int to = isSpilled(insn.reg) ? R15 : Context.host(insn.reg);
        int flags = insn.size == 8 && insn.addressSize == 8 ? W : insn.size == 2 ? P66 : 0;
        if (needsRcxForLea(insn)) {
            address(insn, false);
            if (insn.size == 2 && to == R15) {
                // 16 bits of it are written.
                a.load(R15, RSP, Context.slot(insn.reg));
            }
            a.registers(flags, 0, 0x8B, to, RCX);
        } else {
            int index = insn.index == Cpu.NO_REGISTER ? NONE : general(insn.index, R15);
            int base = insn.base == Cpu.NO_REGISTER ? NONE : Context.host(insn.base);
            a.memory(flags, 0, 0x8D, to, base, index, insn.scale, (int) insn.displacement);
        }
        writeBack(Shape.Kind.GENERAL, insn.reg, R15);
    }

    /** Whether LEA computes in RCX: for registers that are not in the host's, mostly. */
    static boolean needsRcxForLea(Insn insn) {
        boolean none = insn.base == Cpu.NO_REGISTER && insn.index == Cpu.NO_REGISTER;
        return none
                || insn.base == Cpu.CODE_BASE
                || insn.base != Cpu.NO_REGISTER && isSpilled(insn.base)
                || insn.size == 2 && isSpilled(insn.reg);
    }

    /** A bit of memory that a register names, which may be far from the operand. */
    private void farBit(Insn insn) {
        saveLiveFlags();
        address(insn, true);
        int scale = insn.size == 8 ? 3 : 2;
        int register = general(insn.reg, R15);
        if (insn.size == 8) {
            if (register != R15) {
                a.move(R15, register);
            }
        } else {
            // MOVSXD
            a.registers(W, 0, 0x63, R15, register);
        }
        // SAR r15,6 or 5
        a.registers(W, 0, 0xC1, 7, R15);
        a.byte1(scale + 3);
        a.memory(W, 0, 0x8D, RCX, RCX, R15, scale, 0);
        check(insn.size, !insn.form.mnemonic().equals("BT"));
        register = general(insn.reg, R15);
        if (register != R15) {
            a.move4(R15, register);
        }
        // AND r15d,63 or 31
        a.registers(0, 0, 0x83, 4, R15);
        a.byte1(8 * insn.size - 1);
        a.store(RSP, Context.TARGET, R15);
        needFlags();
        a.load(R15, RSP, Context.TARGET);
        a.memory(prefixes(insn), 1, insn.opcode, R15, RCX, 0);
        flagsAfter();
    }

    /** CMPXCHG8B and CMPXCHG16B. */
    private void exchangeTwo(Insn insn) {
        int size = insn.size == 8 ? 16 : 8;
        access(insn, size, true);
        if (size == 16) {
            align(16);
        }
        needFlags();
        a.move(R15, RCX);
        a.move(RCX, R13);
        a.memory((size == 16 ? W : 0) | (insn.lock ? PLOCK : 0), 1, 0xC7, 1, R15, 0);
        flagsAfter();
    }

    // --- leaving the instruction to the interpreter
    // ----------------------------------------------------------------------------------

    /** Lets the interpreter execute the instruction unless a byte of the context is 0. */
    void unlessZero(Insn insn, int place) {
        // MOVZX ecx,byte [place]
        a.memory(0, 1, 0xB6, RCX, RSP, place);
        int free = a.jrcxz();
        boolean saved = state == State.SAVED;
        leave(saved, site(Kind.ALONE, false, saved, index + 1, insn.offset));
        a.land1(free);
    }

    /**
     * Lets the interpreter execute the instruction unless a word of the context is {@code value}.
     */
    void unlessEqual(Insn insn, int place, int value) {
        saveFlags();
        a.memory(0, 0, 0x81, 7, RSP, place);
        a.int4(value);
        alone(insn, JNZ);
    }

    /** Lets the interpreter execute the instruction on a condition. */
    void alone(Insn insn, int condition) {
        boolean saved = state == State.SAVED;
        int site = site(Kind.ALONE, false, saved, index + 1, insn.offset);
        slow.add(new Slow(a.jump(condition), site, saved));
    }

    // --- strings
    // ----------------------------------------------------------------------------------

    /** MOVS and STOS, upwards: with a repeat prefix whole runs within a page of each side. */
    private void string(Insn insn, Shape shape) {
        boolean moves = shape.path() == Shape.Path.MOVE_STRING;
        int size = (insn.opcode & 1) == 0 ? 1 : insn.size;
        int log = Integer.numberOfTrailingZeros(size);
        boolean repeats = insn.repeat != 0;
        saveFlags();
        // TEST dword [system flags],DF
        a.memory(0, 0, 0xF7, 0, RSP, Context.SYSTEM_FLAGS);
        a.int4(Cpu.DF);
        int site = site(Kind.ALONE, false, true, index + 1, insn.offset);
        slow.add(new Slow(a.jump(JNZ), site, true));
        int loop = a.size();
        int done = -1;
        if (repeats) {
            a.registers(W, 0, 0x85, R13, R13);
            done = a.jump(JZ);
        }
        if (moves) {
            a.move(RCX, RSI);
            check(size, false);
            a.store(RSP, Context.STRING, RCX);
        }
        a.move(RCX, RDI);
        check(size, true);
        if (repeats) {
            toPageEnd(RDI, R15, log);
            if (moves) {
                a.store(RSP, Context.STRING + 8, RCX);
                toPageEnd(RSI, RCX, log);
                atMost(R15, RCX);
                a.load(RCX, RSP, Context.STRING + 8);
            }
            atMost(R15, R13);
        }
        a.store(RSP, Context.STRING + 16, RDI);
        a.move(RDI, RCX);
        if (moves) {
            a.store(RSP, Context.STRING + 24, RSI);
            a.load(RSI, RSP, Context.STRING);
        }
        if (repeats) {
            a.move(RCX, R15);
        }
        int flags = (repeats ? PF3 : 0) | (size == 8 ? W : size == 2 ? P66 : 0);
        a.plain(flags, 0, (moves ? 0xA4 : 0xAA) | (size > 1 ? 1 : 0));
        a.load(RDI, RSP, Context.STRING + 16);
        advance(RDI, repeats, size, log);
        if (moves) {
            a.load(RSI, RSP, Context.STRING + 24);
            advance(RSI, repeats, size, log);
        }
        if (repeats) {
            // SUB r13,r15
            a.registers(W, 0, 0x2B, R13, R15);
            int complete = a.jump(JZ);
            a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
            a.byte1(0);
            int again = a.jump(JZ);
            a.patch4(again, loop - again - 4);
            leave(true, site(Kind.POLL, false, true, 0, insn.offset));
            a.land4(done);
            a.land4(complete);
        }
    }

    /** Lets {@code to} be how many elements begin and end between an address and its page's end. */
    private void toPageEnd(int address, int to, int log) {
        a.move4(to, address);
        // OR to,~0FFFh; NEG to; SHR to,log
        a.registers(0, 0, 0x81, 1, to);
        a.int4(-PAGE);
        a.registers(0, 0, 0xF7, 3, to);
        if (log > 0) {
            a.registers(0, 0, 0xC1, 5, to);
            a.byte1(log);
        }
    }

    private void atMost(int register, int limit) {
        // CMP register,limit; CMOVA register,limit
        a.registers(W, 0, 0x3B, register, limit);
        a.registers(W, 1, 0x47, register, limit);
    }

    private void advance(int register, boolean repeats, int size, int log) {
        if (repeats) {
            a.memory(W, 0, 0x8D, register, register, R15, log, 0);
        } else {
            a.lea(register, register, size);
        }
    }

    // --- the stack
    // --------------------------------------------------------------------------------

    private void push(Insn insn, Shape shape) {
        if (shape.path() == Shape.Path.PUSH_MEMORY) {
            if (insn.memory) {
                access(insn, 8, false);
                a.load(RCX, RCX, 0);
                a.store(RSP, Context.TARGET, RCX);
            } else {
                a.store(RSP, Context.TARGET, general(insn.rm, RCX));
            }
        }
        saveLiveFlags();
        a.lea(RCX, R14, -8);
        check(8, true);
        switch (shape.path()) {
            case PUSH_REGISTER -> a.store(RCX, 0, general(insn.opcodeRegister, R15));
            case PUSH_IMMEDIATE -> {
                a.memory(W, 0, 0xC7, 0, RCX, 0);
                a.int4((int) insn.immediate);
            }
            default -> {
                a.load(R15, RSP, Context.TARGET);
                a.store(RCX, 0, R15);
            }
        }
        a.lea(R14, R14, -8);
    }

    /** How many pushes or pops of registers follow each other from here on; 0 if it is neither. */
    private int stackRun(int count) {
        Shape.Path path = shapes[index].path();
        if (path != Shape.Path.PUSH_REGISTER && path != Shape.Path.POP_REGISTER) {
            return 0;
        }
        int end = index;
        while (end < count && shapes[end].path() == path && insns[end].opcodeRegister != Cpu.RSP) {
            end++;
        }
        return end - index;
    }

    /**
     * Pushes or pops with one check for them all. If that fails, as it does across two pages, the
     * interpreter executes the first.
     */
    private void emitRun(int run) {
        boolean pushes = shapes[index].path() == Shape.Path.PUSH_REGISTER;
        int bytes = 8 * run;
        saveLiveFlags();
        if (pushes) {
            a.lea(RCX, R14, -bytes);
        } else {
            a.move(RCX, R14);
        }
        check(bytes, pushes);
        for (int i = 0; i < run; i++) {
            int guest = insns[index + i].opcodeRegister;
            if (pushes) {
                a.store(RCX, bytes - 8 * (i + 1), general(guest, R15));
            } else {
                int host = isSpilled(guest) ? R15 : Context.host(guest);
                a.load(host, RCX, 8 * i);
                writeBack(Shape.Kind.GENERAL, guest, R15);
            }
        }
        a.lea(R14, R14, pushes ? -bytes : bytes);
    }

    private void pop(Insn insn) {
        saveLiveFlags();
        a.move(RCX, R14);
        check(8, false);
        int guest = insn.opcodeRegister;
        if (guest == Cpu.RSP) {
            a.load(R14, RCX, 0);
            return;
        }
        int host = isSpilled(guest) ? R15 : Context.host(guest);
        a.load(host, RCX, 0);
        writeBack(Shape.Kind.GENERAL, guest, R15);
        a.lea(R14, R14, 8);
    }

    private void leaveFrame() {
        saveLiveFlags();
        a.move(RCX, RBP);
        check(8, false);
        a.lea(R14, RBP, 8);
        a.load(RBP, RCX, 0);
    }

    // --- jumps
    // ------------------------------------------------------------------------------------

    private void pushNext(Insn insn) {
        saveLiveFlags();
        a.lea(RCX, R14, -8);
        check(8, true);
        a.load(R15, RSP, Context.CODE_BASE);
        a.lea(R15, R15, insn.offset + insn.length);
        a.store(RCX, 0, R15);
    }

    private void call(Insn insn, Block block) {
        pushNext(insn);
        a.lea(R14, R14, -8);
        // The target may lie before this block, but a loop of calls needs returns.
        go(target(insn), insn.offset, index + 1, block);
    }

    /** Loads the target of an indirect jump to RCX. */
    private void indirectTarget(Insn insn) {
        if (insn.memory) {
            access(insn, 8, false);
            a.load(RCX, RCX, 0);
        } else if (isSpilled(insn.rm)) {
            a.load(RCX, RSP, Context.slot(insn.rm));
        } else {
            a.move(RCX, Context.host(insn.rm));
        }
    }

    private void jumpIndirect(Insn insn) {
        indirectTarget(insn);
        dynamic(insn.offset, Kind.JUMP);
    }

    private void callIndirect(Insn insn) {
        indirectTarget(insn);
        a.store(RSP, Context.TARGET, RCX);
        // Pushed once the target is found: until then the whole instruction may be interpreted, and
        // its operand may lie where it pushes.
        saveLiveFlags();
        a.lea(RCX, R14, -8);
        check(8, true);
        a.store(RSP, Context.PUSHED_TO, RCX);
        a.load(R15, RSP, Context.CODE_BASE);
        a.lea(R15, R15, insn.offset + insn.length);
        a.store(RSP, Context.PUSHED, R15);
        a.load(RCX, RSP, Context.TARGET);
        dynamic(insn.offset, Kind.CALL);
    }

    private void ret() {
        int offset = insns[index].offset;
        saveLiveFlags();
        a.move(RCX, R14);
        check(8, false);
        a.load(RCX, RCX, 0);
        dynamic(offset, Kind.RETURN);
    }

    /** Goes to the guest's address in RCX by the jump cache, or leaves. */
    private void dynamic(int offset, Kind kind) {
        saveFlags();
        countBlock(index + 1);
        int site = site(kind, false, true, index + 1, offset);
        // CMP dword [POLL],0
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        slow.add(new Slow(a.jump(JNZ), site, true));
        Stubs.probe(a);
        slow.add(new Slow(a.jump(JNZ), site, true));
        switch (kind) {
            case RETURN -> a.lea(R14, R14, 8);
            case CALL -> {
                a.lea(R14, R14, -8);
                // The return address: PUSH [PUSHED]; POP [RCX]
                a.load(RCX, RSP, Context.PUSHED_TO);
                a.memory(0, 0, 0xFF, 6, RSP, Context.PUSHED);
                a.memory(0, 0, 0x8F, 0, RCX, 0);
                a.load(RCX, RSP, Context.TARGET);
            }
            default -> {}
        }
        Stubs.through(a);
    }

    /** Counts the instructions of the block up to this one. */
    void countBlock() {
        countBlock(index + 1);
    }

    /** Counts instructions of the block; RCX is kept, R15 is not. */
    void countBlock(int instructions) {
        if (state == State.SAVED) {
            // ADD qword [COUNT],instructions
            a.memory(W, 0, 0x83, 0, RSP, Context.COUNT);
            a.byte1(instructions);
        } else {
            a.load(R15, RSP, Context.COUNT);
            a.lea(R15, R15, instructions);
            a.store(RSP, Context.COUNT, R15);
        }
    }

    void toStub(int displacement, int stub) {
        a.patch4(displacement, stub - (origin + displacement + 4));
    }

    /**
     * Goes to {@code target}, from the start of the page, from the instruction at {@code from},
     * after {@code count} instructions.
     */
    private void go(int target, int from, int count, Block block) {
        if (target < 0 || target >= PAGE) {
            saveFlags();
            countBlock(count);
            farJump(target, count);
            return;
        }
        countBlock(count);
        if (target <= from) {
            poll(target, count);
        }
        if (loop != null && target == blockOffset && key == block.key()) {
            toStub(a.jump(), origin + loop.head());
            return;
        }
        boolean saved = state == State.SAVED;
        Block known =
                target == blockOffset && key == block.key() && !block.crosses()
                        ? block
                        : page.find(target, key);
        if (known != null) {
            toStub(a.jump(), saved ? known.flagsSaved() : known.flagsLive());
        } else {
            leave(saved, site(Kind.LINK, false, saved, count, target));
        }
    }

    /**
     * In what {@link #farJump} emits: the place of a tag, the tag, the displacement of the jump.
     */
    static final int FAR_TAG_AT = 3;

    static final int FAR_TAG = 7;
    static final int FAR_JUMP = 18;

    /** Goes to {@code target} in another page, directly once that is found, flags being saved. */
    private void farJump(int target, int count) {
        a.load(RCX, RSP, Context.CODE_BASE);
        a.lea(RCX, RCX, target);
        // CMP dword [POLL],0
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        toStub(a.jump(JNZ), stubs.leaveFar);
        int before = hostStart;
        hostStart = origin + a.size();
        int site = site(Kind.LINK_FAR, false, true, count, 0);
        hostStart = before;
        // CMP dword [tag],no tag; JNZ
        a.memory(0, 0, 0x81, 7, RSP, Context.LOCAL_TAG);
        a.int4(-1);
        slow.add(new Slow(a.jump(JNZ), site, true));
        toStub(a.jump(), stubs.leaveFar);
    }

    /** Leaves if somebody wants the CPU, to go on at {@code target}. */
    void poll(int target, int count) {
        boolean saved = state == State.SAVED;
        a.load4(RCX, RSP, Context.POLL);
        int quiet = a.jrcxz();
        leave(saved, site(Kind.POLL, false, saved, count, target));
        a.land1(quiet);
    }

    /** Goes to {@code target} from the start of the page, through the jump cache. */
    private void goFar(int target) {
        a.load(RCX, RSP, Context.CODE_BASE);
        a.lea(RCX, RCX, target);
        toStub(a.jump(), stubs.jumpFar);
    }

    /** Leaves the instruction to be done in Java and come back behind it. */
    void leaveFor(Kind kind, int offset) {
        boolean saved = state == State.SAVED;
        leave(saved, site(kind, false, saved, index + 1, offset));
        // Whoever comes back has them in both.
        state = State.BOTH;
    }

    int site(Kind kind, boolean write, boolean saved, int count, int offset) {
        boolean access = (key & Modes.ACCESS) != 0;
        return store.addSite(kind, write, saved, access, count, offset, hostStart);
    }

    void leave(boolean saved, int site) {
        a.byte1(0xE8);
        int stub = saved ? stubs.exitSaved : stubs.exit;
        a.int4(stub - (origin + a.size() + 4));
        a.int4(site);
    }

    // --- flags
    // ------------------------------------------------------------------------------------

    /** Lets the flags be in the context. */
    void saveFlags() {
        if (state == State.HOST) {
            a.move(R15, RAX);
            a.saveFlagsToAx();
            a.store4(RSP, Context.FLAGS, RAX);
            a.move(RAX, R15);
            state = State.BOTH;
        }
        state = State.SAVED;
    }

    /** Before a TLB look-up destroys the host's flags. */
    void saveLiveFlags() {
        if (state == State.BOTH || flags[index].needed(live[index]) != 0) {
            saveFlags();
        }
    }

    /** Lets the flags that the instruction reads or keeps be in the host's. */
    private void needFlags() {
        if (state == State.SAVED && flags[index].inHost(live[index]) != 0) {
            restoreFlags();
            state = State.BOTH;
        }
    }

    private void restoreFlags() {
        a.move(R15, RAX);
        a.load4(RAX, RSP, Context.FLAGS);
        a.restoreFlagsFromAx();
        a.move(RAX, R15);
    }

    private void flagsAfter() {
        if (flags[index].touches()) {
            state = State.HOST;
        }
    }

    // --- memory
    // -----------------------------------------------------------------------------------

    /** Lets RCX be the host's address of the memory operand, or leaves. */
    private void access(Insn insn, int size, boolean write) {
        saveLiveFlags();
        address(insn, true);
        check(size, write);
    }

    /** Lets RCX be the effective or linear address. */
    private void address(Insn insn, boolean linear) {
        address(insn, linear, insn.displacement);
    }

    /** As with the instruction's own displacement, but for another. */
    void address(Insn insn, boolean linear, long displacement) {
        boolean cut = insn.addressSize == 4;
        int base = insn.base == Cpu.NO_REGISTER ? NONE : insn.base;
        int index = insn.index == Cpu.NO_REGISTER ? NONE : insn.index;
        if (base == NONE && index == NONE) {
            a.moveImmediate(RCX, cut ? displacement & 0xFFFF_FFFFL : displacement);
        } else {
            int hostIndex = NONE;
            if (index != NONE) {
                hostIndex = general(index, R15);
            }
            int hostBase = NONE;
            if (base == Cpu.CODE_BASE) {
                a.load(RCX, RSP, Context.CODE_BASE);
                hostBase = RCX;
            } else if (base != NONE) {
                hostBase = general(base, RCX);
            }
            if (hostIndex == NONE && displacement == 0) {
                if (cut) {
                    a.move4(RCX, hostBase);
                } else if (hostBase != RCX) {
                    a.move(RCX, hostBase);
                }
            } else {
                a.memory(
                        cut ? 0 : W,
                        0,
                        0x8D,
                        RCX,
                        hostBase,
                        hostIndex,
                        insn.scale,
                        (int) displacement);
            }
        }
        if (linear && insn.segment == Seg.FS64) {
            a.load(R15, RSP, Context.FS_BASE);
            a.memory(W, 0, 0x8D, RCX, RCX, R15, 0, 0);
        } else if (linear && insn.segment == Seg.GS64) {
            a.load(R15, RSP, Context.GS_BASE);
            a.memory(W, 0, 0x8D, RCX, RCX, R15, 0, 0);
        }
    }

    /** From the linear address in RCX to the host's, or leaves. Destroys R15 and the flags. */
    void check(int size, boolean write) {
        check(size, write, false);
    }

    private void check(int size, boolean write, boolean group) {
        int table = NativeTlb.table(Modes.tlb(key));
        look(table + (write ? NativeTlb.WRITE : NativeTlb.READ), size);
        boolean saved = state == State.SAVED;
        Kind kind = group ? Kind.MEMORY_GROUP : Kind.MEMORY;
        int site = site(kind, write, saved, index + 1, insnOffset());
        slow.add(new Slow(a.jump(JA), site, saved));
        // ADD rcx,[page]
        a.memory(W, 0, 0x03, RCX, RSP, R15, 0, table + NativeTlb.HOST);
    }

    /**
     * Looks into the TLB for the linear address in RCX: R15 is the entry, RCX the offset in the
     * page, and the condition "above" says that it is not there.
     */
    void look(int tag, int size) {
        a.move4(R15, RCX);
        // SHR r15d,shift; AND r15d,mask
        a.registers(0, 0, 0xC1, 5, R15);
        a.byte1(NativeTlb.INDEX_SHIFT);
        a.registers(0, 0, 0x81, 4, R15);
        a.int4(NativeTlb.INDEX_MASK);
        // SUB rcx,[tag]; CMP rcx,page - size
        a.memory(W, 0, 0x2B, RCX, RSP, R15, 0, tag);
        a.registers(W, 0, 0x81, 7, RCX);
        a.int4(PAGE - size);
    }

    private int insnOffset() {
        return insns[index].offset;
    }

    /** Leaves if RCX is not a multiple of {@code size}. */
    private void align(int size) {
        // TEST cl,size - 1
        a.registers(0, 0, 0xF6, 0, RCX);
        a.byte1(size - 1);
        int site = site(Kind.ALONE, false, state == State.SAVED, index + 1, insnOffset());
        slow.add(new Slow(a.jump(JNZ), site, state == State.SAVED));
    }
}
