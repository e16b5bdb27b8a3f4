// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JA;
import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.JZ;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RAX;
import static dev.frond.cpu.translate.Assembler.RCX;
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

    /** How forms are taken, as far as this was asked. */
    private final IdentityHashMap<Form, Shape> known = new IdentityHashMap<>();

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
    private record Taken(int jump, Insn insn, int count, State state, int key) {}

    private final Cpu cpu;
    private final CodeStore store;
    private final Stubs stubs;
    private final Decoder decoder;
    private final Assembler a = new Assembler();
    private final X87Emitter x87;

    /** The page that is being translated, and what an instruction may reach into behind it. */
    private final byte[] buffer = new byte[PAGE + REACH];

    private final Insn[] insns = new Insn[MAX_BLOCK];
    private final Shape[] shapes = new Shape[MAX_BLOCK];

    private final FlagUse[] flags = new FlagUse[MAX_BLOCK];
    private final AccessGroups groups = new AccessGroups(insns, shapes);

    /** The flags that the guest may read of those that an instruction leaves. */
    private final int[] live = new int[MAX_BLOCK];

    /** Code that is put behind the block: where a target is looked for beyond the jump cache. */
    private record Missed(int jump, int back, int site) {}

    private final List<Slow> slow = new ArrayList<>();
    private final List<Missed> missed = new ArrayList<>();
    private final List<Taken> taken = new ArrayList<>();

    private CodePage page;
    private int blockOffset;
    private int blockCount;

    /** The mode that the code is for which is being emitted: the block's, but for RFLAGS.AC. */
    private int key;

    /** Whether each memory operand is looked up on its own. */
    private boolean separate;

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

    private final AddressEmitter addresses = new AddressEmitter(this, a);
    private final ModRmEmitter modRm = new ModRmEmitter(this, a, addresses);
    private final StringEmitter strings = new StringEmitter(this, a);
    private final StackEmitter stack = new StackEmitter(this, a, insns, shapes);
    private final JumpEmitter jumps = new JumpEmitter(this, a, stack);
    private final NarrowStackEmitter narrowStack = new NarrowStackEmitter(this, a, addresses);
    private final NarrowStringEmitter narrowStrings = new NarrowStringEmitter(this, a, addresses);
    private final NarrowJumpEmitter narrowJumps;
    private final SystemEmitter system;

    /** Each jump looks whether somebody wants the CPU, and sites tell which flags are right. */
    private boolean compared;

    /** Whether emitted code counts instructions. */
    private final boolean counted;

    /** For a comparison with the interpreter. */
    void compare() {
        compared = true;
    }

    BlockTranslator(Cpu cpu, CodeStore store, Stubs stubs, boolean counted) {
        this.cpu = cpu;
        this.counted = counted;
        this.store = store;
        this.stubs = stubs;
        decoder = new Decoder(Table.forms(), cpu.cpuid.model().features());
        narrowJumps = new NarrowJumpEmitter(this, a, stubs, narrowStack);
        x87 = new X87Emitter(this, a, stubs);
        page = new CodePage(-1, 0);
        system = new SystemEmitter(this, a, stubs, narrowStack);
    }

    /** The mode that code is being emitted for. */
    int mode() {
        return key;
    }

    /** Whether the guest's processor follows the rules of AMD where vendors differ. */
    boolean isAmd() {
        return cpu.cpuid.model().isAmd();
    }

    /** Says whether the guest's RCX is in the host's from here on. */
    void copyRcx(boolean copied) {
        rcxCopied = copied;
    }

    /** Notes that the host may raise an exception at what is emitted next. */
    void noteFault(Insn insn) {
        store.addFaultSite(origin + a.size(), site(Kind.ALONE, insn));
    }

    /** Lets a jump lead to where emitted code leaves at a site, flags being saved. */
    void slowly(int jump, int site) {
        slow.add(new Slow(jump, site, true));
    }

    /**
     * Lets a jump lead to where a target that the jump cache does not know is looked for, to go on
     * at {@code back} or leave at a site, flags being saved.
     */
    void find(int jump, int back, int site) {
        missed.add(new Missed(jump, back, site));
    }

    /** Leaves because somebody wants the CPU, flags being saved; then the instruction goes on. */
    void leaveToPoll(Insn insn) {
        leave(true, site(Kind.POLL, false, true, 0, insn.offset));
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
    @Nullable Insn decode(CodePage of, int offset, int mode) {
        page = of;
        int limit = fetch(offset);
        return decoder.decode(buffer, offset, limit, offset, mode);
    }

    private static boolean mayCross(int offset) {
        return offset + REACH >= PAGE;
    }

    /** Whether the instruction at {@code offset} of a page may reach into the next page. */
    boolean crosses(CodePage page, int offset, int mode) {
        return mayCross(offset) && decode(page, offset, mode) == null;
    }

    /** Translates the block at {@code offset} of a page for the mode {@code key}. */
    Block translate(CodePage from, int offset, int key) {
        store.makeRoom();
        page = from.dropped ? store.page(from.ramOffset) : from;
        separate = (key & Modes.SEPARATE) != 0;
        this.key = key & ~Modes.SEPARATE;
        blockOffset = offset;
        int limit = fetch(offset);
        int count = 0;
        int at = offset;
        boolean open = true;
        boolean interpretNext = false;
        while (open && count < MAX_BLOCK && at < limit) {
            Insn insn = decoder.decode(buffer, at, limit, at, this.key);
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
        groups.find(count, !separate, Modes.isNarrow(key));
        stack.begin(count, !separate && !Modes.isNarrow(key));
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
        separate = true;
        this.key = key;
        blockOffset = offset;
        fetch(offset);
        CodePage second = store.page(secondPage);
        MemorySegment.copy(
                cpu.ram.segment(), ValueLayout.JAVA_BYTE, secondPage, buffer, PAGE, REACH);
        Insn insn = decoder.decode(buffer, offset, PAGE + REACH, offset, key);
        if (insn == null || offset + insn.length <= PAGE) {
            return null;
        }
        take(0, insn);
        int end = offset + insn.length;
        page.cover(offset, PAGE);
        second.coverEndOf(page, end - PAGE);
        boolean open = !insn.form.is(Form.END) || goesOnBehind(shapes[0]);
        groups.find(1, false, false);
        stack.begin(1, false);
        return emit(second, 1, end, open, false, liveness(1));
    }

    /** Notes how instruction number {@code at} of the block is taken. */
    private void take(int at, Insn insn) {
        Shape shape = known.computeIfAbsent(insn.form, Shape::of);
        insns[at] = insn;
        if (insn.memory && isBitTest(insn.form) && shape.reg() == Shape.Kind.GENERAL) {
            shape = Shape.FAR_BIT;
        }
        shapes[at] = taken(insn, shape) ? shape : Shape.LEFT;
        flags[at] = shapes[at].flags().of(insn);
    }

    /**
     * String instructions, STAC and others end the interpreter's blocks, but not the translator's.
     */
    private static boolean goesOnBehind(Shape shape) {
        return switch (shape.path()) {
            case MOVE_STRING,
                    STORE_STRING,
                    LOAD_STRING,
                    CLEAR_FLAG,
                    SET_ACCESS,
                    LOAD_SELECTOR,
                    COUNT_JUMP ->
                    true;
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
        missed.clear();
        taken.clear();
        origin = store.position();
        int firstSite = store.siteCount();
        blockCount = count;
        Block block = enter(second, end, liveIn);
        state = State.HOST;
        x87.begin();
        for (index = 0; index < count; index++) {
            hostStart = origin + a.size();
            x87.before(insns[index], shapes[index]);
            int run = stack.run(index, count, separate);
            if (run > 1) {
                emitRun(run);
                index += run - 1;
            } else {
                emit(insns[index], shapes[index], block);
            }
        }
        hostStart = origin + a.size();
        x87.noteLast();
        if (interpretNext) {
            index = count;
            leaveFor(Kind.ALONE, end);
        } else if (open) {
            index = count - 1;
            goOn(end, count, block);
        }
        LoopPlan plan = liveIn || separate ? null : LoopPlan.of(insns, shapes, count, blockOffset);
        if (plan != null) {
            emitLoop(plan, block);
        }
        for (int i = 0; i < taken.size(); i++) {
            Taken t = taken.get(i);
            a.land4(t.jump);
            state = t.state;
            key = t.key;
            index = t.count - 1;
            go(t.insn, block);
        }
        for (Slow s : slow) {
            a.land4(s.jump);
            leave(s.saved, s.site);
        }
        stack.emitMisses();
        for (Missed m : missed) {
            a.land4(m.jump);
            call(stubs.findJump);
            toStub(a.jump(JZ), origin + m.back);
            leave(true, m.site);
        }
        loop = null;
        store.setSiteBlocks(firstSite, block);
        store.append(a);
        store.put(block);
        return block;
    }

    /** Emits pushes or pops that follow each other. */
    private void emitRun(int run) {
        if (Modes.isNarrow(key)) {
            boolean pushes = shapes[index].path() == Shape.Path.PUSH_REGISTER;
            narrowStack.run(insns, index, run, pushes);
        } else {
            stack.emitRun(index, run);
        }
    }

    /** Emits the loop that the block begins with once more. */
    private void emitLoop(LoopPlan plan, Block block) {
        LoopEmitter emitter = new LoopEmitter(this, a, addresses, plan);
        state = State.HOST;
        key = mode(block);
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
            goOn(jump.offset + jump.length, index + 1, block);
        } else {
            emitter.emitBack(jump);
        }
    }

    /** Emits how the block is entered. */
    @SuppressWarnings("ReferenceEquality") // A page is its identity.
    private Block enter(CodePage second, int end, boolean liveIn) {
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
        int length = end - blockOffset;
        narrowJumps.checkEntry(blockOffset, isChecked(key, crosses) ? Math.max(length, 1) : 0);
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
        int blockKey = separate && !crosses ? key | Modes.SEPARATE : key;
        return new Block(
                page,
                second,
                blockOffset,
                length,
                blockKey,
                fromJump,
                flagsSaved,
                flagsLive,
                start);
    }

    /** The mode that a block is for when it is entered. */
    private static int mode(Block block) {
        return block.key() & ~Modes.SEPARATE;
    }

    /** Whether whoever enters a block compares the block, and not its page, with CS's limit. */
    static boolean isChecked(int key, boolean crosses) {
        return Modes.limitsCode(key) && (crosses || (key & Modes.EDGE) != 0);
    }

    // --- what is taken
    // ----------------------------------------------------------------------------

    private boolean taken(Insn insn, Shape shape) {
        if (insn.index == Cpu.FOUR_GIB) {
            return false;
        }
        int state = insn.form.is(Form.VEX) ? Modes.WIDE_VECTORS : Modes.VECTORS;
        if (shape.vector() && (key & state) == 0) {
            return false;
        }
        if (shape.x87() && ((key & Modes.X87) == 0)) {
            return false;
        }
        if (Modes.isNarrow(key)) {
            return NarrowForms.isTaken(insn, shape, key);
        }
        return switch (shape.path()) {
            case MODRM, OPCODE_REGISTER -> ModRmEmitter.isTaken(insn, shape);
            case FAR_BIT -> insn.size >= 4 && insn.addressSize == 8;
            case PUSH_FLAGS -> insn.size == 8;
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
                    CALL_INDIRECT,
                    JUMP_INDIRECT ->
                    insn.size == 8;
            case CALL -> insn.size == 8 && !isTooFar(insn);
            case JUMP, CONDITIONAL_JUMP -> !isTooFar(insn);
            case RETURN -> insn.size == 8 && insn.opcode == 0xC3;
            case COUNT_JUMP, PUSH_SELECTOR, POP_SELECTOR, LOAD_SELECTOR, LOAD_STRING, NOT_TAKEN ->
                    false;
            default -> true;
        };
    }

    private static boolean isBitTest(Form form) {
        return switch (form.mnemonic()) {
            case "BT", "BTS", "BTR", "BTC" -> true;
            default -> false;
        };
    }

    // --- one instruction
    // --------------------------------------------------------------------------

    private void emit(Insn insn, Shape shape, Block block) {
        boolean narrow = Modes.isNarrow(key);
        switch (shape.path()) {
            case MODRM -> modRm.modRm(insn, shape);
            case OPCODE_REGISTER -> modRm.opcodeRegister(insn, shape);
            case PLAIN -> modRm.plain(insn, shape);
            case ACCUMULATOR_OFFSET -> modRm.accumulatorOffset(insn);
            case EXCHANGE_ACCUMULATOR -> modRm.exchangeAccumulator(insn);
            case NOP, NOP_OR_EXCHANGE -> {}
            case LEA -> modRm.loadEffectiveAddress(insn);
            case PUSH_FLAGS -> system.pushFlags(insn);
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
            case MOVE_STRING, STORE_STRING -> {
                if (narrow) {
                    narrowStrings.emit(insn, shape);
                } else {
                    strings.emit(insn, shape);
                }
            }
            case LOAD_STRING -> narrowStrings.load(insn);
            case PUSH_ALL -> narrowStack.pushAll(insn);
            case POP_ALL -> narrowStack.popAll(insn);
            case FAR_BIT -> modRm.farBit(insn);
            case EXCHANGE_8_OR_16 -> modRm.exchangeTwo(insn);
            case PUSH_REGISTER, PUSH_IMMEDIATE, PUSH_MEMORY, PUSH_SELECTOR -> {
                if (narrow) {
                    narrowStack.push(insn, shape);
                } else {
                    stack.push(index);
                }
            }
            case POP_REGISTER -> {
                if (narrow) {
                    narrowStack.pop(insn);
                } else {
                    stack.pop(index);
                }
            }
            case LEAVE -> {
                if (narrow) {
                    narrowStack.leaveFrame(insn);
                } else {
                    stack.leaveFrame();
                }
            }
            case POP_SELECTOR -> {
                narrowStack.peek(insn.size);
                system.loadSelector(insn.opcode >>> 3 & 7);
                narrowStack.drop(insn.size);
            }
            case LOAD_SELECTOR -> system.loadSelector(insn);
            case JUMP -> go(insn, block);
            case CONDITIONAL_JUMP -> {
                needFlags();
                taken.add(new Taken(a.jump(insn.opcode & 15), insn, index + 1, state, key));
            }
            case COUNT_JUMP -> {
                int jump = narrowJumps.countJump(insn);
                taken.add(new Taken(jump, insn, index + 1, state, key));
            }
            case CALL -> {
                // The target may lie before this block, but a loop of calls needs returns.
                if (narrow) {
                    narrowJumps.call(insn);
                } else {
                    jumps.call(insn, index);
                }
                go(target(insn), insn.offset, index + 1, block);
            }
            case JUMP_INDIRECT -> {
                if (narrow) {
                    narrowJumps.jumpIndirect(insn);
                } else {
                    jumps.jumpIndirect(insn);
                }
            }
            case CALL_INDIRECT -> {
                if (narrow) {
                    narrowJumps.callIndirect(insn);
                } else {
                    jumps.callIndirect(insn, index);
                }
            }
            case RETURN -> {
                if (narrow) {
                    narrowJumps.ret(insn);
                } else {
                    jumps.ret(insn, index);
                }
            }
            case X87 -> x87.emit(insn, shape);
            case NOT_TAKEN -> {
                leaveFor(Kind.INTERPRET, insn.offset);
                x87.begin();
                if (insn.form.is(Form.END)) {
                    // Many of those that end a block most often go on with the next instruction.
                    goOn(insn.offset + insn.length, index + 1, block);
                }
            }
        }
    }

    /** Whether a jump's target is 2 GiB or more from the start of its page. */
    private static boolean isTooFar(Insn insn) {
        return insn.immediate > 0 && target(insn) < 0;
    }

    /** Where a jump goes, from the start of its page. */
    static int target(Insn insn) {
        return insn.offset + insn.length + (int) insn.immediate;
    }

    int general(int guest, int scratch) {
        if (Context.isSpilled(guest)) {
            a.load(scratch, RSP, Context.slot(guest));
            return scratch;
        }
        return rcxCopied && guest == Cpu.RCX ? RCX : Context.host(guest);
    }

    private static boolean isGeneral(Shape.Kind kind) {
        return kind == Shape.Kind.GENERAL || kind == Shape.Kind.BYTE;
    }

    void writeBack(Shape.Kind kind, int guest, int scratch) {
        if (isGeneral(kind) && Context.isSpilled(guest)) {
            a.store(RSP, Context.slot(guest), scratch);
        }
    }

    /** Lets the operand be in memory at RCX and what the result names. */
    LoopEmitter.Operand operand(Insn insn, Shape shape) {
        LoopPlan.Group group = loopPlan == null ? null : loopPlan.group(index);
        if (loop != null && group != null) {
            return loop.operand(insn, group, ModRmEmitter.isHigh(insn, shape.reg(), insn.reg));
        }
        if (loopPlan == null && stack.isMember(index)) {
            return stackOperand(insn, shape);
        }
        int offset = 0;
        if (loopPlan != null || !groups.isMember(index)) {
            access(insn, shape.access(insn), shape.writesMemory());
        } else {
            offset = groups.offset(index);
            if (groups.isFirst(index)) {
                saveLiveFlags();
                addresses.effective(insn, insn.displacement - offset);
                addresses.linear(insn.segment, groups.span(index), groups.writes(index));
                check(groups.span(index), groups.writes(index), true);
            }
        }
        if (ModRmEmitter.alignment(insn, shape) > 1) {
            saveLiveFlags();
            align(ModRmEmitter.alignment(insn, shape));
        }
        return new LoopEmitter.Operand(NONE, 0, offset);
    }

    /** An operand in the page of the stack. */
    private LoopEmitter.Operand stackOperand(Insn insn, Shape shape) {
        stack.base(index);
        int alignment = ModRmEmitter.alignment(insn, shape);
        // AH to BH are named without REX, which R14 needs.
        if (alignment == 1 && !ModRmEmitter.isHigh(insn, shape.reg(), insn.reg)) {
            return new LoopEmitter.Operand(R14, 0, (int) insn.displacement);
        }
        a.memory(W, 0, 0x8D, RCX, RCX, R14, 0, (int) insn.displacement);
        if (alignment > 1) {
            saveLiveFlags();
            align(alignment);
        }
        return new LoopEmitter.Operand(NONE, 0, 0);
    }

    /** Whether the rounds of a loop are being emitted. */
    boolean isInLoop() {
        return loopPlan != null;
    }

    /** Calls the stub that makes the page which was looked up that of the stack. */
    void callTakeStack(int how, boolean write) {
        call(stubs.takeStack(how, write));
    }

    /** Jumps to a place from the start of the block's code. */
    void jumpBack(int place) {
        toStub(a.jump(), origin + place);
    }

    /** Leaves at a site. */
    void leaveAt(int site) {
        leave(store.flagsSaved(site), site);
    }

    /** A site of accesses to the stack that begin with the instruction that is being emitted. */
    int stackSite(boolean write, int bytes) {
        int site = site(Kind.STACK, write, areFlagsSaved(), index + 1, insnOffset());
        store.span(site, bytes);
        return site;
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
        aloneFrom(insn, a.jump(condition));
    }

    /** Lets the interpreter execute the instruction under way on a condition. */
    void alone(int condition) {
        alone(insns[index], condition);
    }

    /** Lets a jump lead to where the interpreter executes the instruction. */
    void aloneFrom(Insn insn, int jump) {
        boolean saved = state == State.SAVED;
        slow.add(new Slow(jump, site(Kind.ALONE, false, saved, index + 1, insn.offset), saved));
    }

    // --- jumps and leaving
    // ------------------------------------------------------------------------------------

    /** Whether emitted code counts the instructions. */
    boolean isCounted() {
        return counted;
    }

    /** Counts the instructions of the block up to this one. */
    void countBlock() {
        countBlock(index + 1);
    }

    /** Counts instructions of the block if they are to be; RCX is kept, R15 is not. */
    void countBlock(int instructions) {
        if (!counted) {
            return;
        }
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

    /**
     * Emits the way to {@code target} for who comes from the middle of a block, after so many
     * instructions of it that were not counted yet, flags being saved or dead. There must be room.
     */
    int counting(int instructions, int target) {
        a.clear();
        origin = store.position();
        // ADD qword [COUNT],instructions
        a.memory(W, 0, 0x83, 0, RSP, Context.COUNT);
        a.byte1(instructions);
        toStub(a.jump(), target);
        store.append(a);
        return origin;
    }

    /** Calls a stub. */
    void call(int stub) {
        a.byte1(0xE8);
        a.int4(stub - (origin + a.size() + 4));
    }

    void toStub(int displacement, int stub) {
        a.patch4(displacement, stub - (origin + displacement + 4));
    }

    /**
     * Whether a jump to {@code target} is none to a block of the page that is sure to be within CS.
     */
    boolean leavesPage(int target) {
        return target < 0 || target >= PAGE || (key & Modes.EDGE) != 0;
    }

    /** Goes to the target of a jump. */
    private void go(Insn jump, Block block) {
        int target = target(jump);
        if (leavesPage(target) && Modes.limitsCode(key)) {
            saveFlags();
            aloneFrom(jump, narrowJumps.outside(target));
        }
        go(target, jump.offset, index + 1, block);
    }

    /** Goes to what follows the last instruction. */
    private void goOn(int target, int count, Block block) {
        go(target, PAGE, count, block);
    }

    /**
     * Goes to {@code target}, from the start of the page, from the instruction at {@code from},
     * after {@code count} instructions.
     */
    private void go(int target, int from, int count, Block block) {
        if (leavesPage(target)) {
            saveFlags();
            countBlock(count);
            farJump(target, count);
            return;
        }
        countBlock(count);
        if (target <= from || compared) {
            poll(target, count);
        }
        if (loop != null && target == blockOffset && key == mode(block)) {
            toStub(a.jump(), origin + loop.head());
            return;
        }
        boolean saved = state == State.SAVED;
        Block known =
                target == blockOffset && key == block.key() && !separate ? block : linkable(target);
        if (known != null) {
            toStub(a.jump(), saved ? known.flagsSaved() : known.flagsLive());
        } else {
            leave(saved, site(Kind.LINK, false, saved, count, target));
        }
    }

    /** The block at {@code target} of the page, if the jump to it never has to be undone. */
    private @Nullable Block linkable(int target) {
        return page.keeps() ? null : page.find(target, key);
    }

    // In what {@link #farJump} emits: the linear address of the target, where a tag is, the tag,
    // the
    // displacement of the jump that is taken if either is another, the displacement of the jump.
    static final int FAR_TARGET = 2;
    static final int FAR_TAG_AT = 22;
    static final int FAR_TAG = 26;
    static final int FAR_MISS = 32;
    static final int FAR_JUMP = 37;

    /** Goes to {@code target} in another page, directly once that is found, flags being saved. */
    private void farJump(int target, int count) {
        a.load(RCX, RSP, Context.CODE_BASE);
        // LEA: 16- and 32-bit code goes round at 4 GiB.
        a.memory(Modes.isNarrow(key) ? 0 : W, 0, 0x8D, RCX, RCX, target);
        // CMP dword [POLL],0
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        toStub(a.jump(JNZ), stubs.leaveFar);
        int before = hostStart;
        hostStart = origin + a.size();
        int site = site(Kind.LINK_FAR, false, true, count, 0);
        hostStart = before;
        // MOV r15,target; CMP rcx,r15; JNZ to the next JNZ: the page may be in two places, with
        // other
        // pages beside it.
        a.opcodeRegister(W, 0, 0xB8, R15);
        a.int8(0);
        a.registers(W, 0, 0x3B, RCX, R15);
        int elsewhere = a.jump(JNZ);
        // CMP dword [tag],no tag; JNZ
        a.memory(0, 0, 0x81, 7, RSP, Context.LOCAL_TAG);
        a.int4(-1);
        a.land4(elsewhere);
        slow.add(new Slow(a.jump(JNZ), site, true));
        toStub(a.jump(), stubs.leaveFar);
    }

    /** Leaves if somebody wants the CPU, to go on at {@code target}. */
    private void poll(int target, int count) {
        poll(target, count, Cpu.STATUS);
    }

    /** The same where only some status flags are right, because nobody reads the others. */
    void poll(int target, int count, int live) {
        boolean saved = state == State.SAVED;
        a.load4(RCX, RSP, Context.POLL);
        int quiet = a.jrcxz();
        int site = site(Kind.POLL, false, saved, count, target);
        store.liveFlags(site, live);
        leave(saved, site);
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
        int site = store.addSite(kind, write, saved, access, count, offset, hostStart);
        if (compared) {
            boolean inBlock = index < blockCount;
            store.liveFlags(site, inBlock ? flags[index].needed(live[index]) : Cpu.STATUS);
        }
        return site;
    }

    void leave(boolean saved, int site) {
        call(saved ? stubs.exitSaved : stubs.exit);
        a.int4(site);
    }

    /** A site of the instruction that is being emitted. */
    int site(Kind kind, Insn insn) {
        return site(kind, false, areFlagsSaved(), index + 1, insn.offset);
    }

    /** Whether the status flags are saved and no more in the host's. */
    boolean areFlagsSaved() {
        return state == State.SAVED;
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
    void needFlags() {
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

    void flagsAfter() {
        if (flags[index].touches()) {
            state = State.HOST;
        }
    }

    // --- memory
    // -----------------------------------------------------------------------------------

    /** Lets RCX be the host's address of the memory operand, or leaves. */
    void access(Insn insn, int size, boolean write) {
        saveLiveFlags();
        addresses.effective(insn);
        addresses.linear(insn.segment, size, write);
        check(size, write);
    }

    /** From the linear address in RCX to the host's, or leaves. Destroys R15 and the flags. */
    void check(int size, boolean write) {
        check(size, write, false);
    }

    /** The same for an operand, or a group of them. */
    void check(int size, boolean write, boolean group) {
        int site = checkPage(size, write, group);
        if (!write && !group) {
            store.mayJoin(site, origin + a.size());
        }
    }

    /**
     * The same for who looks at what is left of the page: an operand that reaches into the next one
     * is never {@link Context#JOINED}.
     */
    void checkPage(int size, boolean write) {
        checkPage(size, write, false);
    }

    private int checkPage(int size, boolean write, boolean group) {
        int table = NativeTlb.table(Modes.tlb(key));
        look(table + (write ? NativeTlb.WRITE : NativeTlb.READ), size);
        boolean saved = state == State.SAVED;
        Kind kind = group ? Kind.MEMORY_GROUP : Kind.MEMORY;
        int site = site(kind, write, saved, index + 1, insnOffset());
        store.span(site, size);
        slow.add(new Slow(a.jump(JA), site, saved));
        // ADD rcx,[page]
        a.memory(W, 0, 0x03, RCX, RSP, R15, 0, table + NativeTlb.HOST);
        return site;
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
    void align(int size) {
        // TEST cl,size - 1
        a.registers(0, 0, 0xF6, 0, RCX);
        a.byte1(size - 1);
        alone(insns[index], JNZ);
    }
}
