// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.IntegerEncoder.Addressing;
import dev.frond.host.LocalDescriptors;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Integer instructions in 16- and 32-bit code segments of the local descriptor table, the
 * interpreter against the host's processor: operands of both sizes, both kinds of addressing,
 * segments with small limits, expand-down, read-only, execute-only, null, stacks of both sizes that
 * wrap, a page that is not there, loads of segment registers, far transfers within the table.
 *
 * <p>{@code -Dfrond.oracle.seed=N} chooses other operands, {@code -Dfrond.oracle.encodings=N} and
 * {@code -Dfrond.oracle.states=N} how many.
 */
final class SegmentedOracleTest {
    private static final int ENCODINGS = Integer.getInteger("frond.oracle.encodings", 80);
    private static final int STATES = Integer.getInteger("frond.oracle.states", 8);
    private static final int NONE = -1;

    private SegmentedRig rig;
    private SplittableRandom random = new SplittableRandom(1);
    private boolean code16;
    private int length;

    /** Selectors to start with, and to load. */
    private final List<Integer> codes = new ArrayList<>();

    private final List<Integer> stacks = new ArrayList<>();
    private final List<Integer> datas = new ArrayList<>();
    private final List<Integer> loadable = new ArrayList<>();

    /** The segment and the offset of the memory operand. */
    private int operandSegment;

    private long operand;

    @BeforeEach
    void create() {
        assumeThat(SegmentedRig.isSupported())
                .as("a host kernel with 16-bit segments for programs (modify_ldt)")
                .isTrue();
        rig = new SegmentedRig();
    }

    @AfterEach
    void close() {
        if (rig != null) {
            rig.close();
        }
    }

    @Test
    void in16BitCodeInstructionsDoWhatTheHostDoes() {
        check(true);
    }

    @Test
    void in32BitCodeOfSmallSegmentsInstructionsDoWhatTheHostDoes() {
        check(false);
    }

    private static final Set<String> SEGMENT_LOADS =
            Set.of("LDS", "LES", "LFS", "LGS", "LSS", "POP-segment", "MOV-to-segment");
    private static final Set<String> FAR = Set.of("JMPF", "CALLF", "RETF", "IRET");
    private static final Set<String> DESCRIPTOR_READS = Set.of("LAR", "LSL", "VERR", "VERW");

    /** Whether {@code form} is compared with the host here, if the host has it. */
    static boolean tests(Form form) {
        String name = IntegerForms.name(form);
        return !form.is(Form.ONLY_64)
                && (IntegerForms.excuse(form).isEmpty()
                        || SEGMENT_LOADS.contains(name)
                        || FAR.contains(name)
                        || DESCRIPTOR_READS.contains(name));
    }

    private void segments() {
        codes.clear();
        stacks.clear();
        datas.clear();
        loadable.clear();
        codes.add(rig.code(0xFFFF, !code16, true));
        codes.add(rig.code(0xFFFF, !code16, false));
        codes.add(rig.code(0xBFFF, !code16, true));
        stacks.add(rig.data(0x10, 0xFFFF, LocalDescriptors.Type.DATA, false, true));
        stacks.add(rig.data(0x233, 0x7FFD, LocalDescriptors.Type.DATA, false, true));
        stacks.add(rig.data(0x1000, 0x1FFF, LocalDescriptors.Type.EXPAND_DOWN, false, true));
        stacks.add(rig.data(0x800, 0xFFFF, LocalDescriptors.Type.DATA, true, true));
        datas.addAll(stacks);
        datas.add(rig.data(0x3FF1, 0xFFFF, LocalDescriptors.Type.DATA, false, true));
        datas.add(rig.data(0x40, 0xFFFF, LocalDescriptors.Type.DATA, false, false));
        datas.add(rig.data(0x123, 0x0FF7, LocalDescriptors.Type.DATA, false, true));
        datas.add(rig.data(0x2001, 0x3FFF, LocalDescriptors.Type.EXPAND_DOWN, false, false));
        datas.add(codes.getFirst());
        datas.add(NONE);
        loadable.addAll(codes);
        loadable.addAll(datas);
        loadable.add(rig.code(0xFFFF, code16, true));
        loadable.add(rig.absent(LocalDescriptors.Type.DATA));
        loadable.add(rig.absent(LocalDescriptors.Type.CODE));
        // Behind the last one.
        loadable.add(loadable.getLast() + 0x100);
    }

    private void check(boolean in16) {
        code16 = in16;
        segments();
        rig.fill(() -> IntegerRig.value(random));
        Set<CpuFeature> features = IntegerRig.hostFeatures();
        features.retainAll(rig.harness.cpu.cpuid.model().features());
        Map<String, String> failures = new LinkedHashMap<>();
        List<String> neverCompleted = new ArrayList<>();
        for (Form form : Table.forms()) {
            if (!tests(form)
                    || form.feature().isPresent() && !features.contains(form.feature().get())) {
                continue;
            }
            int seed = form.toString().hashCode() + Integer.getInteger("frond.oracle.seed", 0);
            random = new SplittableRandom(seed);
            completed = 0;
            String failure = check(form);
            if (failure != null) {
                failures.put(form.toString(), failure);
            } else if (completed == 0 && !IntegerForms.alwaysFaults(form)) {
                neverCompleted.add(form.toString());
            }
        }
        assertThat(failures).isEmpty();
        assertThat(neverCompleted).isEmpty();
    }

    // --- one form -------------------------------------------------------------------------------

    private int completed;

    private @Nullable String check(Form form) {
        for (int i = 0; i < ENCODINGS; i++) {
            choose(rig.start.selectors);
            IntegerEncoder encoder = encoding(form, i);
            int limit = rig.limit(rig.start.selectors[Seg.CS]);
            // Now and then where the segment ends.
            int offset =
                    mayStandAtEnd(form, encoder) && chance(12)
                            ? limit - random.nextInt(0, 16)
                            : random.nextInt(0x1000, 0xB000);
            byte[] code = encoder.encode(form, 0);
            length = code.length;
            if (code.length > 15 || offset + code.length > 0x1_0000) {
                continue;
            }
            retarget(form, encoder, offset);
            code = encoder.encode(form, 0);
            rig.load(offset, code);
            for (int state = 0; state < STATES; state++) {
                prepare(form, encoder, offset);
                if (form.mnemonic().matches("SH[LR]D")
                        && encoder.size(form) == 2
                        && (count(form, encoder) & 31) > 16) {
                    // Vendors give different results.
                    continue;
                }
                String failure = run(form, encoder, code);
                if (failure != null) {
                    return failure;
                }
            }
        }
        return null;
    }

    /** Whether the end of the code segment is a place for it. */
    private static boolean mayStandAtEnd(Form form, IntegerEncoder e) {
        // Whether all bytes of these are looked at before they are #UD depends on the processor.
        return !form.mnemonic().matches("UD[01]") && !(form.is(Form.VEX) && e.lock);
    }

    private @Nullable String run(Form form, IntegerEncoder encoder, byte[] code) {
        try {
            rig.run();
        } catch (AssertionError | RuntimeException e) {
            return HexFormat.of().formatHex(code) + ": " + e + rig.describe();
        }
        if (form.mnemonic().equals("POPA") && rig.expected.fault != CpuHarness.NO_FAULT) {
            // Which registers it has already loaded is the processor's own affair.
            System.arraycopy(rig.expected.gprs, 0, rig.actual.gprs, 0, 16);
        }
        adoptOrder(form);
        int undefined = IntegerForms.undefinedFlags(form, count(form, encoder), encoder.size(form));
        if (rig.expected.fault == CpuHarness.NO_FAULT) {
            completed++;
        }
        List<String> differences = rig.differences(undefined);
        return differences.isEmpty()
                ? null
                : HexFormat.of().formatHex(code) + ": " + differences + rig.describe();
    }

    /**
     * Takes over what depends on which of several wrong accesses comes first, where manuals or
     * processors differ: the operands of CMPS; stack and target of calls (Intel's manual has the
     * target first outside of 64-bit mode, processors of AMD push first); the words of a frame.
     */
    private void adoptOrder(Form form) {
        SegmentedRig.Registers actual = rig.actual;
        SegmentedRig.Registers expected = rig.expected;
        boolean open = form.mnemonic().matches("CMPS[BW]?|CALLF?|RETF|IRET");
        boolean both = actual.fault != CpuHarness.NO_FAULT && expected.fault != CpuHarness.NO_FAULT;
        if (!open || !both) {
            return;
        }
        if (actual.fault != expected.fault || actual.fault == CpuFault.PF) {
            actual.fault = expected.fault;
            actual.errorCode = expected.errorCode;
            actual.faultAddress = expected.faultAddress;
        }
        rig.adoptMemory();
    }

    private long count(Form form, IntegerEncoder encoder) {
        if (!IntegerForms.isShift(form)) {
            return 0;
        }
        return switch (form.operands().getLast()) {
            case CL -> rig.start.gprs[Cpu.RCX];
            case Ib -> encoder.immediate;
            default -> 1;
        };
    }

    // --- encodings ------------------------------------------------------------------------------

    private boolean chance(int one) {
        return random.nextInt(one) == 0;
    }

    private int pick(List<Integer> selectors) {
        return selectors.get(random.nextInt(selectors.size()));
    }

    private void choose(int[] selectors) {
        selectors[Seg.CS] = pick(codes);
        selectors[Seg.SS] = chance(2) ? stacks.getFirst() : pick(stacks);
        for (int seg : new int[] {Seg.ES, Seg.DS, Seg.FS, Seg.GS}) {
            int selector = chance(2) ? stacks.getFirst() : pick(datas);
            selectors[seg] = selector == NONE ? random.nextInt(4) : selector;
        }
    }

    private IntegerEncoder encoding(Form form, int i) {
        IntegerEncoder e = new IntegerEncoder();
        e.code64 = false;
        e.code16 = code16;
        boolean memoryToo =
                form.hasModRm() && form.digit() < Form.EXACT && !form.is(Form.REGISTER_ONLY);
        e.memory = memoryToo && (form.is(Form.MEMORY_ONLY) || (i & 1) != 0);
        e.wide = form.is(Form.W1);
        e.word = (i >> 1 & 1) != 0 && form.prefix() != Form.PREFIX_NONE;
        e.reg = IntegerEncoder.registerInOpcode(form) ? form.opcode() & 7 : random.nextInt(8);
        e.rm = random.nextInt(8);
        if (form.is(Form.VEX)) {
            e.vvvv = random.nextInt(8);
            e.wide = chance(2) && !form.is(Form.W0);
            e.word = false;
        }
        if (form.operands().contains(Operand.Sw) && form.operands().getFirst() == Operand.Sw) {
            // CS is #UD.
            e.reg = random.nextInt(chance(8) ? 8 : 6);
        }
        if (chance(16) || form.is(Form.LOCK) && e.memory && chance(3)) {
            // Processors of AMD read what VERR and VERW are to look at before they refuse LOCK.
            e.lock = !form.operands().contains(Operand.Cy) && !form.mnemonic().startsWith("VER");
        }
        if (IntegerForms.isString(form)) {
            e.repeat = new int[] {0, 0xF2, 0xF3, 0xF3}[random.nextInt(4)];
        }
        if (chance(3)) {
            e.override = new int[] {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65}[random.nextInt(6)];
        }
        e.shortAddress = chance(3);
        address(form, e);
        e.immediate =
                form.mnemonic().equals("ENTER") || form.mnemonic().startsWith("RET")
                        ? random.nextInt(chance(8) ? 0x1_0000 : 64)
                        : IntegerForms.isShift(form)
                                ? random.nextInt(chance(3) ? 256 : 34)
                                : IntegerRig.value(random);
        e.immediate2 = chance(8) ? random.nextInt(256) : random.nextInt(4);
        return e;
    }

    private static boolean bitByRegister(Form form) {
        return form.mnemonic().startsWith("BT") && form.operands().contains(Operand.Gv);
    }

    private void address(Form form, IntegerEncoder e) {
        e.mod16 = random.nextInt(3);
        e.rm16 = random.nextInt(8);
        Addressing[] all = Addressing.values();
        do {
            e.addressing = all[random.nextInt(all.length - 1)];
        } while (e.addressing == Addressing.INDEX_DISP32);
        do {
            e.base = random.nextInt(8);
            e.index = random.nextInt(8);
        } while (e.index == Cpu.RSP || e.index == e.base);
        while (bitByRegister(form) && used(e, e.reg)) {
            e.reg = random.nextInt(8);
        }
        e.scale = random.nextInt(4);
        operandSegment = e.segment(form);
        operand = operandOffset(form, e);
        boolean byteOnly =
                e.addresses16()
                        ? e.mod16 == 1
                        : e.addressing == Addressing.BASE_DISP8
                                || e.addressing == Addressing.BASE_INDEX_DISP8;
        e.displacement = byteOnly ? random.nextInt(-128, 128) : random.nextInt();
        if (e.addresses16() && e.mod16 == 0 && e.rm16 == 6) {
            e.displacement = (int) operand;
        }
        e.address = operand;
    }

    private static boolean used(IntegerEncoder e, int register) {
        return e.addresses16()
                ? register == Cpu.RBX
                        || register == Cpu.RBP
                        || register == Cpu.RSI
                        || register == Cpu.RDI
                : register == e.base || register == e.index;
    }

    /** An offset for an operand, often where something ends. */
    private long offset(int selector) {
        boolean there = (selector & 0xFFFC) != 0;
        int limit = there ? rig.limit(selector) : 0xFFFF;
        return switch (random.nextInt(12)) {
            case 0 -> random.nextInt(8);
            case 1 -> 0xFFFF - random.nextInt(16);
            case 2 -> limit + random.nextInt(-16, 9) & 0xFFFF;
            case 3 ->
                    there && codes.contains(selector)
                            ? random.nextInt(0x1_0000)
                            : SegmentedRig.HOLE
                                            - (there ? rig.offset(selector) : 0)
                                            + (chance(2) ? 0x1000 : 0)
                                            + random.nextInt(-16, 9)
                                    & 0xFFFF;
            default -> random.nextInt(0x1_0000);
        };
    }

    private long operandOffset(Form form, IntegerEncoder e) {
        int selector = rig.start.selectors[operandSegment];
        long at = offset(selector);
        boolean atomic =
                e.lock || form.mnemonic().equals("XCHG") || form.mnemonic().startsWith("CMPXCHG");
        if (atomic && (selector & 0xFFFC) != 0 && !codes.contains(selector)) {
            // A locked access across a cache line may be refused by the host's kernel.
            int size = form.mnemonic().startsWith("CMPXCHG8B") ? 8 : e.size(form);
            int start = rig.offset(selector);
            long aligned = (start + at & -size) - start;
            at = aligned < 0 ? aligned + size : aligned;
        }
        return at;
    }

    /** Jumps to anywhere but into themselves. */
    private void retarget(Form form, IntegerEncoder e, int offset) {
        if (form.operands().contains(Operand.Ap)) {
            e.immediate2 = farSelector();
            e.immediate = elsewhere(offset);
        }
        if (!form.operands().contains(Operand.Jb) && !form.operands().contains(Operand.Jz)) {
            return;
        }
        boolean small = form.operands().contains(Operand.Jb);
        do {
            e.immediate =
                    small
                            ? random.nextInt(-128, 128)
                            : chance(8) ? random.nextInt() : elsewhere(offset) - offset - length;
        } while (isOwn(offset + length + e.immediate, offset));
    }

    private boolean isOwn(long target, int offset) {
        long at = target & 0xFFFF;
        return at >= offset && at < offset + length;
    }

    /** An offset of code, not of this one. */
    private long elsewhere(int offset) {
        while (true) {
            long target =
                    chance(3)
                            ? random.nextInt(0x1_0000)
                            : chance(4) ? 0xBFFF + random.nextInt(-3, 3) : random.nextInt(0xB000);
            if (!isOwn(target, offset)) {
                return target;
            }
        }
    }

    /** A selector for CS; the host's own segments lead out of the code. */
    private int farSelector() {
        if (chance(12)) {
            return random.nextInt(4);
        }
        int selector = chance(3) ? pick(loadable) : pick(codes);
        if (selector == NONE) {
            return 0;
        }
        return chance(8) ? selector & ~3 | random.nextInt(4) : selector;
    }

    // --- states ---------------------------------------------------------------------------------

    private void prepare(Form form, IntegerEncoder e, int offset) {
        SegmentedRig.Registers start = rig.start;
        long[] r = start.gprs;
        for (int i = 0; i < 8; i++) {
            r[i] = IntegerRig.value(random) & 0xFFFF_FFFFL;
        }
        start.flags = random.nextLong() & IntegerRig.FLAGS;
        implied(form, e);
        boolean inMemory = e.hasMemory(form);
        if (inMemory) {
            operand = operandOffset(form, e);
            if (e.addresses16()) {
                address16(r, e);
            } else {
                address32(r, e);
            }
        }
        if (bitByRegister(form) && inMemory && !chance(8)) {
            // The bit may be anywhere around the operand; upper parts of the register do not count.
            long upper = e.size(form) == 2 ? random.nextInt() << 16 : 0;
            long bits = random.nextInt(-6000, 6000);
            r[e.reg] = (upper | bits & (e.size(form) == 2 ? 0xFFFF : -1)) & 0xFFFF_FFFFL;
        }
        contents(form, e, offset);
        popped(form, e, offset);
    }

    private void address16(long[] r, IntegerEncoder e) {
        long displacement =
                e.mod16 == 1 ? (byte) e.displacement : e.mod16 == 2 ? e.displacement : 0;
        switch (e.rm16) {
            case 0, 1, 2, 3 -> {
                int base = e.rm16 < 2 ? Cpu.RBX : Cpu.RBP;
                int index = (e.rm16 & 1) == 0 ? Cpu.RSI : Cpu.RDI;
                low(r, base, operand - displacement - r[index]);
            }
            case 4 -> low(r, Cpu.RSI, operand - displacement);
            case 5 -> low(r, Cpu.RDI, operand - displacement);
            case 6 -> {
                if (e.mod16 != 0) {
                    low(r, Cpu.RBP, operand - displacement);
                } else {
                    operand = e.displacement & 0xFFFF;
                }
            }
            default -> low(r, Cpu.RBX, operand - displacement);
        }
    }

    private static void low(long[] r, int register, long value) {
        r[register] = r[register] & ~0xFFFFL | value & 0xFFFF;
    }

    private void address32(long[] r, IntegerEncoder e) {
        if (!e.addressing.hasBase()) {
            operand = e.address;
            return;
        }
        if (chance(20)) {
            // Beyond any limit.
            operand |= (long) random.nextInt() << 16 & 0xFFFF_0000L;
        }
        long displacement =
                switch (e.addressing) {
                    case BASE -> e.base == Cpu.RBP ? (byte) e.displacement : 0;
                    case BASE_DISP8, BASE_INDEX_DISP8 -> (byte) e.displacement;
                    default -> e.displacement;
                };
        long indexed = e.addressing.hasIndex() ? r[e.index] << e.scale : 0;
        r[e.base] = operand - displacement - indexed & 0xFFFF_FFFFL;
    }

    /** Registers that an instruction uses unsaid. */
    private void implied(Form form, IntegerEncoder e) {
        long[] r = rig.start.gprs;
        boolean far = FAR.contains(form.mnemonic());
        if (IntegerForms.usesStack(form)
                || far
                || form.operands().contains(Operand.SS)
                || chance(2)) {
            int stack = rig.start.selectors[Seg.SS];
            long upper = rig.isBig(stack) ? 0 : (long) random.nextInt() << 16 & 0xFFFF_0000L;
            r[Cpu.RSP] = upper | offset(stack);
            upper = rig.isBig(stack) ? 0 : (long) random.nextInt() << 16 & 0xFFFF_0000L;
            r[Cpu.RBP] = upper | offset(stack);
        }
        if (IntegerForms.isString(form)) {
            boolean upper = e.addresses16();
            r[Cpu.RSI] = index(operandSegment, upper);
            r[Cpu.RDI] = index(Seg.ES, upper);
            if (e.repeat != 0) {
                long count = random.nextInt(chance(50) ? 40_000 : 9);
                r[Cpu.RCX] = count | (upper ? (long) random.nextInt() << 16 & 0xFFFF_0000L : 0);
            }
            if (chance(2)) {
                // Few different elements, so that they compare equal.
                long fill = (random.nextInt() & 0xFF) * 0x0101_0101_0101_0101L;
                for (int i = 0; i < 8; i++) {
                    selected(Seg.ES, r[Cpu.RDI] + 8L * (i - 4), fill, 8);
                    selected(operandSegment, r[Cpu.RSI] + 8L * (i - 4), fill, 8);
                }
                r[Cpu.RAX] = fill & 0xFFFF_FFFFL;
            }
        }
        switch (form.mnemonic()) {
            case "XLAT" -> r[Cpu.RBX] = offset(rig.start.selectors[operandSegment]);
            case "DIV", "IDIV" -> {
                if (chance(2)) {
                    r[Cpu.RDX] = random.nextInt(4);
                    r[Cpu.RAX] = random.nextInt(0x1000);
                }
            }
            case "INTO" -> rig.start.flags &= ~Cpu.OF;
            case "LOOP", "LOOPZ", "LOOPNZ", "JCXZ" -> {
                if (chance(2)) {
                    r[Cpu.RCX] = random.nextInt(3) | (chance(2) ? 0x1234_0000L : 0);
                }
            }
            default -> {
                if (IntegerForms.isShift(form)) {
                    r[Cpu.RCX] = r[Cpu.RCX] & ~0xFF | random.nextInt(chance(3) ? 256 : 34);
                }
            }
        }
    }

    private long index(int segment, boolean garbage) {
        long upper = garbage ? (long) random.nextInt() << 16 & 0xFFFF_0000L : 0;
        return offset(rig.start.selectors[segment]) | upper;
    }

    /** Writes at an offset of what is in a segment register, if that is data. */
    private void selected(int segment, long offset, long value, int bytes) {
        int selector = rig.start.selectors[segment];
        if ((selector & 0xFFFC) != 0 && !codes.contains(selector)) {
            rig.put(selector, offset, value, bytes);
        }
    }

    /**
     * Puts into memory, or a register, what the instruction can do something with: always where it
     * takes a selector, since the host has more segments than we do.
     */
    private void contents(Form form, IntegerEncoder e, int offset) {
        long[] r = rig.start.gprs;
        String name = IntegerForms.name(form);
        boolean inMemory = e.hasMemory(form);
        int size = e.size(form);
        if (SEGMENT_LOADS.contains(name) && inMemory) {
            int at = form.operands().contains(Operand.Mp) ? size : 0;
            selected(operandSegment, operand + at, selector(), 2);
        } else if (SEGMENT_LOADS.contains(name) || DESCRIPTOR_READS.contains(name)) {
            if (inMemory) {
                selected(operandSegment, operand, selector(), 2);
            } else if (form.hasModRm()) {
                r[e.rm] = r[e.rm] & ~0xFFFFL | selector();
            }
        } else if (name.startsWith("CMPXCHG") && chance(2)) {
            if (name.startsWith("CMPXCHG8B")) {
                selected(operandSegment, operand, r[Cpu.RAX], 4);
                selected(operandSegment, operand + 4, r[Cpu.RDX], 4);
            } else if (inMemory) {
                selected(operandSegment, operand, r[Cpu.RAX], size);
            } else {
                r[e.rm] = r[Cpu.RAX];
            }
        } else if (name.equals("BOUND") && !chance(4)) {
            long index = random.nextInt(0x7000);
            r[e.reg] = used(e, e.reg) ? r[e.reg] : index;
            selected(operandSegment, operand, index - random.nextInt(-1, 5), size);
            selected(operandSegment, operand + size, index + random.nextInt(-1, 5), size);
        }
        if (IntegerForms.isNearTransfer(form) && form.hasModRm() && !inMemory) {
            long target = elsewhere(offset);
            r[e.rm] = size == 2 ? r[e.rm] & ~0xFFFFL | target : target;
        }
    }

    /** A selector to load into a data segment register, or to ask about. */
    private int selector() {
        if (chance(10)) {
            return random.nextInt(4);
        }
        if (chance(12)) {
            return 0x2B;
        }
        int selector = pick(loadable);
        if (selector == NONE) {
            return 0;
        }
        return chance(4) ? selector & ~3 | random.nextInt(4) : selector;
    }

    /**
     * Where code goes on, and flags without the trap flag, alignment check and nested task: always
     * set, for what is there by chance could lead anywhere.
     */
    private void popped(Form form, IntegerEncoder e, int offset) {
        String name = IntegerForms.name(form);
        long[] r = rig.start.gprs;
        int size = e.size(form);
        switch (name) {
            case "POPF" -> push(0, flags(), 4);
            case "RET" -> push(0, elsewhere(offset), size);
            case "RETF", "IRET" -> {
                push(0, elsewhere(offset), size);
                push(size, farSelector() | (chance(2) ? 0x1234_0000L : 0), size);
                push(2L * size, flags(), size);
            }
            case "POP-segment" -> push(0, selector(), size);
            case "JMPF", "CALLF" -> {
                if (form.hasModRm()) {
                    far(operand, size, offset);
                }
            }
            default -> {
                boolean indirect = IntegerForms.isNearTransfer(form) && form.hasModRm();
                if (indirect && e.hasMemory(form)) {
                    selected(operandSegment, operand, elsewhere(offset), size);
                } else if (indirect && isOwn(r[e.rm], offset)) {
                    r[e.rm] = elsewhere(offset);
                }
            }
        }
    }

    private void far(long at, int size, int offset) {
        selected(operandSegment, at, elsewhere(offset), size);
        selected(operandSegment, at + size, farSelector(), 2);
    }

    private long flags() {
        return random.nextInt() & (IntegerRig.FLAGS | Cpu.IF | Cpu.IOPL);
    }

    private void push(long above, long value, int bytes) {
        int stack = rig.start.selectors[Seg.SS];
        rig.put(stack, rig.start.gprs[Cpu.RSP] + above, value, bytes);
    }
}
