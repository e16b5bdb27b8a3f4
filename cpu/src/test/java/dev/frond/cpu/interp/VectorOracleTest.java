// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.FxImage;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Segments;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.fpu.X87;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.LocalDescriptors;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Every MMX, SSE, AVX and x87 instruction of the table on operands of all kinds: the interpreter
 * against the host's processor, in registers, flags, memory and exceptions.
 */
final class VectorOracleTest {
    private static final int BLOCK = 1024;

    /** Where in the block memory operands are; room for misaligned ones on both sides. */
    private static final int OPERAND = 64;

    /** Base registers of 16-bit addressing. */
    private static final int[] BASES_16 = {Cpu.RBX, Cpu.RBP, Cpu.RSI, Cpu.RDI};

    /** The first local descriptor that is ours. */
    private static final int FIRST = 8;

    private static final Set<String> STATE =
            Set.of(
                    "FXSAVE",
                    "FXRSTOR",
                    "XSAVE",
                    "XSAVEC",
                    "XSAVEOPT",
                    "XRSTOR",
                    "FLDENV",
                    "FRSTOR",
                    "LDMXCSR");

    private NativeCode host;
    private Runner runner = Runner.NODES;
    private boolean code64 = true;
    private boolean code16;
    private boolean translates;
    private CpuHarness harness;
    private MemorySegment block;
    private long blockAddress;
    private long operandAddress;
    private final UserState start = new UserState(BLOCK);
    private final UserState expected = new UserState(BLOCK);
    private final UserState actual = new UserState(BLOCK);
    private SplittableRandom random = new SplittableRandom(1);

    @BeforeEach
    void create() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        host = NativeCode.create(4096);
        long offset = -(host.stackEnd() - NativeCode.STACK_SIZE) & 63;
        block = host.stack().asSlice(offset, BLOCK);
        blockAddress = host.stackEnd() - NativeCode.STACK_SIZE + offset;
        harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
        harness.map(host.codeAddress(), host.codeSize());
        harness.map(blockAddress, BLOCK);
    }

    @AfterEach
    void close() {
        if (host != null) {
            host.close();
        }
    }

    // --- which forms ----------------------------------------------------------------------------

    enum Kind {
        MMX,
        SSE,
        X87,
        VEX,
        OTHER
    }

    private static @Nullable Kind kind(Form form) {
        if (form.map() == 0
                && (form.opcode() >= 0xD8 && form.opcode() <= 0xDF || form.opcode() == 0x9B)) {
            return Kind.X87;
        }
        if (form.is(Form.VEX)) {
            return form.isVector()
                            || Set.of("VLDMXCSR", "VSTMXCSR", "VZEROUPPER", "VZEROALL")
                                    .contains(form.mnemonic())
                    ? Kind.VEX
                    : null;
        }
        boolean mmx = false;
        boolean sse = false;
        for (Operand operand : form.operands()) {
            mmx |= operand.name().matches("[PQN][a-z]+");
            sse |= operand.name().matches("[VWU][a-z]+|XMM0");
        }
        boolean other =
                STATE.contains(form.mnemonic())
                        || Set.of("STMXCSR", "EMMS", "CRC32", "MOVNTI").contains(form.mnemonic());
        return mmx ? Kind.MMX : sse ? Kind.SSE : other ? Kind.OTHER : null;
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void instructionsDoWhatTheHostDoes(Kind kind) {
        check(kind);
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void translatedInstructionsDoWhatTheHostDoes(Kind kind) {
        try (Translator translator = new Translator(Translator.Settings.DEFAULT.eagerly())) {
            runner = translator.runner(harness.cpu);
            runner.setOwner(Thread.currentThread());
            translates = true;
            check(kind);
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void inCompatibilityModeInstructionsDoWhatTheHostDoes(Kind kind) {
        assumeThat(host.hasCompatibilityMode())
                .as("a host kernel with a 32-bit code segment")
                .isTrue();
        harness.compatibilityMode();
        code64 = false;
        check(kind);
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void in16BitCodeInstructionsDoWhatTheHostDoes(Kind kind) {
        assumeThat(host.hasSegments())
                .as("a host kernel with 16-bit segments for programs (modify_ldt)")
                .isTrue();
        code64 = false;
        code16 = true;
        code16Segments();
        check(kind);
    }

    /** CS is 16-bit code, every other segment the block. */
    private void code16Segments() {
        long code = host.codeAddress();
        int last = BLOCK - 1;
        int cs = LocalDescriptors.set(FIRST, segment(code, 0xFFFF, LocalDescriptors.Type.CODE));
        int ds =
                LocalDescriptors.set(
                        FIRST + 1, segment(blockAddress, last, LocalDescriptors.Type.DATA));
        host.enterAt(new NativeCode.Segments(cs, ds, ds, ds, ds, ds), 0);
        Segments segments = harness.cpu.segments;
        for (int seg = Seg.ES; seg <= Seg.GS; seg++) {
            segments.set(seg, ds, SystemRig.descriptor(blockAddress, last, 0xF3));
            segments.followSegment(seg);
        }
        segments.set(Seg.CS, cs, SystemRig.descriptor(code, 0xFFFF, 0xFB));
        segments.followSegment(Seg.CS);
    }

    private static LocalDescriptors.Descriptor segment(
            long base, int limit, LocalDescriptors.Type type) {
        return new LocalDescriptors.Descriptor(base, limit, type, false, true, false, true, false);
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void translated32BitInstructionsDoWhatTheHostDoes(Kind kind) {
        assumeThat(host.hasCompatibilityMode())
                .as("a host kernel with a 32-bit code segment")
                .isTrue();
        harness.compatibilityMode();
        code64 = false;
        translatedInstructionsDoWhatTheHostDoes(kind);
    }

    /** Whether {@code form} is compared with the host here, if the host has it. */
    static boolean tests(Form form, boolean code64) {
        return kind(form) != null && !form.is(code64 ? Form.NOT_64 : Form.ONLY_64);
    }

    private void check(Kind kind) {
        Set<CpuFeature> features = IntegerRig.hostFeatures();
        Map<String, String> failures = new LinkedHashMap<>();
        List<String> neverCompleted = new ArrayList<>();
        int count = 0;
        for (Form form : Table.forms()) {
            if (kind(form) != kind
                    || !tests(form, code64)
                    || form.feature().isPresent() && !features.contains(form.feature().get())) {
                continue;
            }
            count++;
            int seed = form.toString().hashCode() + Integer.getInteger("frond.oracle.seed", 0);
            random = new SplittableRandom(seed);
            completed = 0;
            String failure = check(form, kind);
            if (failure != null) {
                failures.put(form.toString(), failure);
            } else if (completed == 0) {
                neverCompleted.add(form.toString());
            }
        }
        assertThat(count).isPositive();
        assertThat(failures).isEmpty();
        assertThat(neverCompleted).isEmpty();
    }

    // --- one form -------------------------------------------------------------------------------

    private int completed;

    private static final int ENCODINGS = 24;
    private static final int STATES = Integer.getInteger("frond.oracle.states", 40);

    private @Nullable String check(Form form, Kind kind) {
        boolean memoryToo =
                !form.is(Form.REGISTER_ONLY) && form.hasModRm() && form.digit() < Form.EXACT;
        boolean registerToo =
                !form.is(Form.MEMORY_ONLY)
                        && form.operands().stream().noneMatch(o -> o.name().startsWith("M"));
        for (int i = 0; i < ENCODINGS; i++) {
            FormEncoder encoder = new FormEncoder();
            encoder.memory = memoryToo && (!registerToo || (i & 1) != 0);
            encoder.wide = (i & 2) != 0 && (code64 || form.is(Form.VEX));
            encoder.word = (i & 12) == 12 && form.prefix() != Form.PREFIX_66;
            encoder.reg = register();
            encoder.rm = register();
            encoder.base = register();
            encoder.vvvv = register();
            encoder.wideVector = random.nextBoolean();
            encoder.longPrefix = random.nextBoolean();
            encoder.index = register();
            encoder.scale = random.nextInt(4);
            if (form.mnemonic().startsWith("X")) {
                // EDX:EAX choose the components.
                encoder.base |= 3;
            }
            // RSP must stay out of the host's signal stack, which lies below the block.
            encoder.displacement =
                    encoder.base == Cpu.RSP
                            ? -random.nextInt(4096)
                            : random.nextInt(-1 << 20, 1 << 20);
            encoder.immediate = random.nextInt(256);
            encoder.immediate2 = random.nextInt(256);
            if (form.mnemonic().matches("V?(PS|PALIGNR).*") && random.nextInt(3) > 0) {
                encoder.immediate &= 31;
            }
            if (code16) {
                encoder.code16 = true;
                encoder.longAddress = form.is(Form.VSIB) || random.nextInt(3) == 0;
                encoder.base = encoder.longAddress ? encoder.base : BASES_16[encoder.base & 3];
            }
            byte[] code = encoder.encode(form);
            if (code16) {
                byte[] halted = Arrays.copyOf(code, code.length + 1);
                halted[code.length] = (byte) 0xF4;
                host.write(0, halted);
            } else {
                host.load(code64 ? NativeCode.Mode.LONG : NativeCode.Mode.COMPATIBILITY, 0, code);
            }
            harness.write(host.codeAddress(), code);
            // #GP in user mode: where an engine that runs whole blocks stops.
            harness.write(host.codeAddress() + code.length, new byte[] {(byte) 0xF4});
            for (int state = 0; state < STATES; state++) {
                prepare(form, kind, encoder);
                String failure = run(form, encoder, code);
                if (failure != null) {
                    return failure;
                }
            }
        }
        return null;
    }

    private int register() {
        return random.nextInt(code64 ? 16 : 8);
    }

    private @Nullable String run(Form form, FormEncoder encoder, byte[] code) {
        start.into(host, block);
        long begin = code16 ? 0 : host.codeAddress();
        expected.runAndTake(host, block, code16 ? code.length : -1);
        start.into(harness, blockAddress);
        harness.cpu.rip = begin;
        actual.fault = translates ? harness.run(runner) : harness.step();
        if (translates && harness.cpu.rip == begin + code.length) {
            actual.fault = CpuHarness.NO_FAULT;
        }
        completed += expected.fault == CpuHarness.NO_FAULT ? 1 : 0;
        actual.take(harness, blockAddress);
        adjust(form, encoder);
        // Flags that the instruction would have overwritten are not kept for the fault's frame.
        boolean flagsLost = translates && actual.fault == CpuFault.GP;
        List<String> differences =
                new ArrayList<>(
                        actual.differences(
                                expected, flagsLost ? Cpu.STATUS : form.undefinedFlags()));
        long next = begin + (actual.fault == CpuHarness.NO_FAULT ? code.length : 0);
        if (harness.cpu.rip != next) {
            differences.add("rip is 0x" + Long.toHexString(harness.cpu.rip));
        }
        return differences.isEmpty()
                ? null
                : HexFormat.of().formatHex(code) + ": " + differences + describe();
    }

    private String describe() {
        StringBuilder out =
                new StringBuilder("\n    from mxcsr ").append(Integer.toHexString(start.mxcsr));
        out.append(" flags ").append(Long.toHexString(start.flags)).append(" x87 ");
        out.append(HexFormat.of().formatHex(start.x87, 0, 5)).append(" gprs");
        for (long gpr : start.gprs) {
            out.append(' ').append(Long.toHexString(gpr));
        }
        out.append("\n    xmm");
        for (int i = 0; i < 64; i += 4) {
            out.append(String.format(" %016x:%016x", start.vectors[i + 1], start.vectors[i]));
        }
        out.append("\n    st");
        for (int i = 0; i < 8; i++) {
            int at = FxImage.ST + 16 * i;
            out.append(' ').append(HexFormat.of().formatHex(start.x87, at, at + 10));
        }
        out.append("\n    memory ")
                .append(HexFormat.of().formatHex(start.memory, OPERAND - 16, OPERAND + 64));
        return out.append("\n").toString();
    }

    /** Takes out of the comparison what the manuals leave open. */
    private void adjust(Form form, FormEncoder encoder) {
        switch (form.mnemonic()) {
            case "VRCPPS", "VRCPSS", "VRSQRTPS", "VRSQRTSS" -> approximate();
            case "RCPPS", "RCPSS", "RSQRTPS", "RSQRTSS" -> approximate();
            case "F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS" ->
                    transcendental();
            // The upper half is undefined, and all if the field does not lie in 64 bits.
            case "EXTRQ", "INSERTQ" -> {
                int at = 4 * (form.digit() == Form.ANY_DIGIT ? encoder.reg : encoder.rm);
                actual.vectors[at + 1] = expected.vectors[at + 1];
            }
            // Intel's clear C1, AMD's leave it.
            case "FCOMI", "FCOMIP", "FUCOMI", "FUCOMIP" -> takeOver(3, X87.C1 >>> 8);
            // MXCSR_MASK: AMD's have the bit for misaligned operands.
            case "FXSAVE", "XSAVE", "XSAVEC", "XSAVEOPT" -> {
                int at = (int) (operandAddress - blockAddress) + FxImage.MXCSR + 4;
                if (at + 4 <= BLOCK) {
                    System.arraycopy(expected.memory, at, actual.memory, at, 4);
                }
                if (!form.mnemonic().equals("FXSAVE")) {
                    componentsInUse((int) (operandAddress - blockAddress));
                }
            }
            // Processors of Intel have loaded a part when they see reserved bits in MXCSR.
            case "XRSTOR" -> {
                if (actual.fault == CpuFault.GP && expected.fault == CpuFault.GP) {
                    System.arraycopy(expected.vectors, 0, actual.vectors, 0, actual.vectors.length);
                    System.arraycopy(expected.x87, 0, actual.x87, 0, FxImage.BYTES);
                }
            }
            // Whether the x87 unit has become the MMX unit when the conversion ends in #XM.
            case "CVTPI2PS", "CVTPS2PI", "CVTTPS2PI", "CVTPD2PI", "CVTTPD2PI" -> {
                boolean fromMemory = form.mnemonic().equals("CVTPI2PS") && encoder.memory;
                if (fromMemory && actual.fault == CpuFault.MF) {
                    actual.copy(expected);
                    harness.cpu.rip =
                            (code16 ? 0 : host.codeAddress())
                                    + (expected.fault == CpuHarness.NO_FAULT
                                            ? encoder.encode(form).length
                                            : 0);
                } else if (actual.fault == CpuFault.XM || fromMemory) {
                    System.arraycopy(expected.x87, 0, actual.x87, 0, FxImage.BYTES);
                }
            }
            default -> {}
        }
    }

    /**
     * Whether AVX's component is in use while the upper halves of all registers are zeros is the
     * processor's own affair (SDM Vol. 1, 13.6): where the host takes it for used, it stores zeros.
     */
    private void componentsInUse(int area) {
        int header = area + 512;
        if (actual.fault != CpuHarness.NO_FAULT
                || expected.fault != CpuHarness.NO_FAULT
                || (expected.memory[header] & ~actual.memory[header]) != 4) {
            return;
        }
        int to = area + 576 + 16 * (code64 ? 16 : 8);
        for (int i = area + 576; i < to; i++) {
            if (expected.memory[i] != 0) {
                return;
            }
        }
        System.arraycopy(expected.memory, area + 576, actual.memory, area + 576, to - area - 576);
        actual.memory[header] = expected.memory[header];
    }

    /** Makes bits of an x87 byte those of the host. */
    private void takeOver(int at, int bits) {
        actual.x87[at] = (byte) (actual.x87[at] & ~bits | expected.x87[at] & bits);
    }

    /** The last bit of a transcendental function, and so where it was rounded to, may differ. */
    private void transcendental() {
        takeOver(3, X87.C1 >>> 8);
        for (int i = 0; i < 2; i++) {
            int at = FxImage.ST + 16 * i;
            long mine = FxImage.load64(actual.x87, at);
            long theirs = FxImage.load64(expected.x87, at);
            long exponents =
                    FxImage.load64(actual.x87, at + 8) - FxImage.load64(expected.x87, at + 8);
            boolean near = exponents == 0 && Math.abs(mine - theirs) <= 1;
            boolean acrossPowerOfTwo =
                    Math.abs(exponents) == 1
                            && (mine == -1 && theirs == Long.MIN_VALUE
                                    || mine == Long.MIN_VALUE && theirs == -1);
            if (near || acrossPowerOfTwo) {
                System.arraycopy(expected.x87, at, actual.x87, at, 10);
            }
        }
    }

    /** Elements that agree to the precision that the manual promises of either are made equal. */
    private void approximate() {
        for (int i = 0; i < 64; i++) {
            for (int shift = 0; shift < 64; shift += 32) {
                int mine = (int) (actual.vectors[i] >>> shift);
                int theirs = (int) (expected.vectors[i] >>> shift);
                double a = Float.intBitsToFloat(mine);
                double b = Float.intBitsToFloat(theirs);
                // Around the smallest normal number either may have become zero.
                double apart = Math.max(3 * 0x1p-12 * Math.abs(b), Float.MIN_NORMAL);
                if (mine != theirs && Math.abs(a - b) <= apart) {
                    long mask = 0xFFFF_FFFFL << shift;
                    actual.vectors[i] = actual.vectors[i] & ~mask | expected.vectors[i] & mask;
                }
            }
        }
    }

    // --- what they start with -------------------------------------------------------------------

    private void prepare(Form form, Kind kind, FormEncoder encoder) {
        for (int i = 0; i < 16; i++) {
            start.gprs[i] = random.nextInt(4) == 0 ? small() : element(random.nextInt(6));
        }
        int flavour = random.nextInt(6);
        for (int i = 0; i < 64; i++) {
            start.vectors[i] = element(random.nextInt(8) == 0 ? random.nextInt(6) : flavour);
        }
        boolean shift = form.mnemonic().matches("V?P(SLL|SRL|SRA).*");
        if (shift && random.nextInt(4) > 0) {
            boolean doublewords = form.mnemonic().endsWith("VD");
            for (int i = 0; i < 4; i++) {
                long upper = doublewords ? (long) random.nextInt(40) << 32 : 0;
                start.vectors[4 * encoder.rm + i] = random.nextInt(70) | upper;
            }
        }
        start.flags = random.nextLong() & (Cpu.STATUS | Cpu.DF);
        start.mxcsr = mxcsr();
        for (int i = 0; i < BLOCK; i += 8) {
            putLong(start.memory, i, element(flavour));
        }
        if (shift && random.nextInt(4) > 0) {
            putLong(start.memory, OPERAND, random.nextInt(70));
        }
        x87(kind, form);
        state(form);
        int at = OPERAND;
        // Processors of AMD let SHA's operands be misaligned, Intel's do not.
        if (random.nextInt(10) == 0 && !form.mnemonic().startsWith("SHA")) {
            at += random.nextInt(-16, 17);
        }
        operandAddress = blockAddress + at;
        long offset = code16 ? at : blockAddress + at;
        if (encoder.memory) {
            start.gprs[encoder.base] = offset - encoder.displacement;
            if (code16 && !encoder.longAddress) {
                start.gprs[encoder.base] =
                        random.nextInt() << 16 | offset - encoder.displacement & 0xFFFF;
            }
        }
        if (form.is(Form.VSIB)) {
            indices(form, encoder);
        }
        if (form.mnemonic().matches("V?MASKMOV(Q|DQU)")) {
            start.gprs[Cpu.RDI] = offset;
        }
        if (form.mnemonic().matches("V?PCMP.*") && form.map() == 3) {
            strings(encoder);
        }
        for (int i = 0; i < 16 && !code64; i++) {
            start.gprs[i] = i < 8 ? start.gprs[i] & 0xFFFF_FFFFL : 0;
        }
    }

    /** Images that instructions which load state accept, mostly. */
    private void state(Form form) {
        byte[] memory = start.memory;
        switch (form.mnemonic()) {
            case "LDMXCSR", "VLDMXCSR" ->
                    putInt(
                            memory,
                            OPERAND,
                            random.nextInt(8) == 0 ? anyMxcsr() : random.nextInt(0x10000));
            case "FXRSTOR", "XRSTOR" -> {
                int value = random.nextInt(8) == 0 ? anyMxcsr() : random.nextInt(0x10000);
                putInt(memory, OPERAND + FxImage.MXCSR, value);
                // The reserved parts of registers and pointers are not looked at, or not defined.
                for (int i = 0; i < 8; i++) {
                    putLong(memory, OPERAND + FxImage.ST + 16 * i + 8, random.nextInt(0x10000));
                }
            }
            default -> {}
        }
        switch (form.mnemonic()) {
            case "XSAVE", "XSAVEC", "XSAVEOPT", "XRSTOR" -> {
                for (int i = 0; i < 64; i += 8) {
                    putLong(memory, OPERAND + 512 + i, 0);
                }
                int present = random.nextInt(8);
                putLong(memory, OPERAND + 512, present);
                if (random.nextInt(2) == 0) {
                    int listed = random.nextInt(8) == 0 ? random.nextInt(16) : present;
                    putLong(memory, OPERAND + 520, Long.MIN_VALUE | listed | random.nextInt(8));
                    int unused = OPERAND + 528 + 8 * random.nextInt(6);
                    putLong(memory, unused, random.nextInt(8) == 0 ? 1 : 0);
                }
                start.gprs[Cpu.RAX] = random.nextInt(8);
                start.gprs[Cpu.RDX] = 0;
                if (random.nextInt(4) == 0) {
                    for (int i = 0; i < 64; i++) {
                        start.vectors[i] =
                                (i & 2) != 0 || random.nextInt(3) > 0 ? 0 : start.vectors[i];
                    }
                }
            }
            default -> {}
        }
    }

    /** Any bits but the one that processors of AMD have for misaligned operands. */
    private int anyMxcsr() {
        return random.nextInt() & ~(1 << 17);
    }

    /** Indices that stay in the block; where the mask leaves an element out, any. */
    private void indices(Form form, FormEncoder encoder) {
        int size = form.is(Form.W1) ? 8 : 4;
        int indexSize = (form.opcode() & 1) != 0 ? 8 : 4;
        for (int i = 0; i < 32 / indexSize; i++) {
            long index = random.nextInt(BLOCK - OPERAND - 32) >> encoder.scale;
            boolean masked =
                    i < 32 / size
                            && start.vectors[4 * encoder.vvvv + i * size / 8]
                                            << (size == 4 ? 32 * (~i & 1) : 0)
                                    >= 0;
            if (masked && random.nextBoolean()) {
                index = random.nextLong();
            }
            int at = 4 * encoder.index + i * indexSize / 8;
            if (indexSize == 8) {
                start.vectors[at] = index;
            } else {
                int bit = 32 * (i & 1);
                start.vectors[at] =
                        start.vectors[at] & ~(0xFFFF_FFFFL << bit) | (index & 0xFFFF_FFFFL) << bit;
            }
        }
    }

    private void strings(FormEncoder encoder) {
        // Few different elements, so that strings match, and ends.
        for (int i = 0; i < 64; i++) {
            start.vectors[i] = text();
        }
        for (int i = 0; i < BLOCK; i += 8) {
            putLong(start.memory, i, text());
        }
        if (encoder.base != Cpu.RAX) {
            start.gprs[Cpu.RAX] =
                    random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(-20, 21);
        }
        if (encoder.base != Cpu.RDX) {
            start.gprs[Cpu.RDX] =
                    random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(-20, 21);
        }
    }

    private long text() {
        long value = 0;
        for (int i = 0; i < 64; i += 8) {
            value |=
                    (random.nextInt(24) == 0
                                    ? 0L
                                    : random.nextInt(16) == 0 ? 0x80L : 0x61L + random.nextInt(3))
                            << i;
        }
        return value;
    }

    private int mxcsr() {
        int value = 0x1F80;
        value |= random.nextInt(4) << 13;
        value |= random.nextInt(4) == 0 ? 0x8000 : 0;
        value |= random.nextInt(4) == 0 ? 0x40 : 0;
        value |= random.nextInt(3) == 0 ? random.nextInt(64) : 0;
        if (random.nextInt(4) == 0) {
            value &= ~(random.nextInt(64) << 7);
        }
        return random.nextInt(4) == 0 ? 0x1F80 : value;
    }

    private void x87(Kind kind, Form form) {
        byte[] image = start.x87;
        int control = 0x37F;
        int status = random.nextInt(8) << 11;
        int occupied = 0;
        if (kind != Kind.SSE) {
            control =
                    0x7F
                            | random.nextInt(4) << 10
                            | (new int[] {0, 2, 3, 3})[random.nextInt(4)] << 8;
            if (random.nextInt(4) == 0) {
                control &= ~random.nextInt(64);
            }
            occupied = random.nextInt(3) == 0 ? random.nextInt(256) : 0xFF;
            status |= random.nextInt(0x10000) & 0x4700;
            if (random.nextInt(4) == 0) {
                status |= random.nextInt(128);
            }
            if ((status & ~control & 0x3F) != 0 && random.nextInt(4) > 0) {
                status &= ~0x3F;
            }
        }
        if ((status & ~control & 0x3F) != 0) {
            status |= 0x8080;
        }
        image[0] = (byte) control;
        image[1] = (byte) (control >>> 8);
        image[2] = (byte) status;
        image[3] = (byte) (status >>> 8);
        image[4] = (byte) occupied;
        for (int i = 0; i < 8; i++) {
            extended(image, FxImage.ST + 16 * i);
        }
        boolean loadsTen =
                form.mnemonic().matches("FLD|FBLD")
                        && form.opcode() != 0xD9
                        && form.opcode() != 0xDD;
        if (loadsTen) {
            extended(start.memory, OPERAND);
        }
        if (form.mnemonic().equals("FBLD")) {
            for (int i = 0; i < 9; i++) {
                start.memory[OPERAND + i] = (byte) (random.nextInt(10) << 4 | random.nextInt(10));
            }
            start.memory[OPERAND + 9] = (byte) (random.nextInt(2) << 7);
        }
    }

    private void extended(byte[] bytes, int at) {
        long significand = random.nextLong() | Long.MIN_VALUE;
        int exponent;
        switch (random.nextInt(12)) {
            case 0 -> {
                significand = 0;
                exponent = 0;
            }
            case 1 -> {
                significand >>>= random.nextInt(1, 64);
                exponent = 0;
            }
            case 2 -> {
                significand = Long.MIN_VALUE;
                exponent = 0x7FFF;
            }
            case 3 -> {
                significand = random.nextBoolean() ? significand : significand | 1L << 62;
                exponent = 0x7FFF;
            }
            case 4 -> {
                // Unnormals, pseudo-denormals, pseudo-NaNs.
                significand = random.nextBoolean() ? significand & Long.MAX_VALUE : significand;
                exponent = random.nextBoolean() ? random.nextInt(0x8000) : 0;
            }
            case 5 -> {
                significand = Long.MIN_VALUE | (long) random.nextInt(256) << random.nextInt(56);
                exponent = 0x3FFF + random.nextInt(70);
            }
            case 6 -> exponent = random.nextInt(0x7FFF);
            case 7 ->
                    exponent =
                            random.nextBoolean() ? random.nextInt(80) : 0x7FFE - random.nextInt(80);
            case 8 -> {
                significand = Long.MIN_VALUE;
                exponent = 0x3FFF;
            }
            case 9 ->
                    exponent =
                            (random.nextBoolean() ? 0x3FFF + 1023 : 0x3FFF - 1023)
                                    + random.nextInt(-60, 4);
            default -> exponent = 0x3FFF + random.nextInt(-70, 70);
        }
        putLong(bytes, at, significand);
        putLong(bytes, at + 8, 0);
        exponent |= random.nextInt(2) << 15;
        bytes[at + 8] = (byte) exponent;
        bytes[at + 9] = (byte) (exponent >>> 8);
    }

    private static final long[] CORNERS = {
        0,
        1,
        -1,
        Long.MIN_VALUE,
        Long.MAX_VALUE,
        0x8000_0000L,
        0x7FFF_FFFFL,
        0xFFFF_FFFFL,
        0x8000_8000_8000_8000L,
        0x7FFF_7FFF_7FFF_7FFFL,
        0x8080_8080_8080_8080L,
        0x7F7F_7F7F_7F7F_7F7FL,
        0xFFFF_FFFF_0000_0000L
    };

    private long small() {
        return random.nextInt(-300, 300);
    }

    /** A vector element of the kind that {@code flavour} chooses. */
    private long element(int flavour) {
        return switch (flavour) {
            case 0 -> CORNERS[random.nextInt(CORNERS.length)];
            case 1, 2 -> single() & 0xFFFF_FFFFL | (long) single() << 32;
            case 3, 4 -> random.nextInt(16) == 0 ? random.nextLong() : binary64();
            default -> random.nextLong();
        };
    }

    private int single() {
        int sign = random.nextInt() & Integer.MIN_VALUE;
        int fraction = random.nextInt() >>> 9;
        if (random.nextBoolean()) {
            fraction &= -1 << random.nextInt(24);
        }
        return switch (random.nextInt(10)) {
            case 0 -> sign;
            case 1 -> sign | fraction;
            case 2 -> sign | 0x7F80_0000;
            case 3 -> sign | 0x7F80_0000 | fraction;
            case 4 -> sign | random.nextInt(32) << 23 | fraction;
            case 5 -> sign | (0xFE - random.nextInt(32)) << 23 | fraction;
            case 6 -> sign | (0x7F + random.nextInt(66)) << 23 | fraction;
            default -> sign | (0x78 + random.nextInt(14)) << 23 | fraction;
        };
    }

    private long binary64() {
        long sign = random.nextLong() & Long.MIN_VALUE;
        long fraction = random.nextLong() >>> 12;
        if (random.nextBoolean()) {
            fraction &= -1L << random.nextInt(53);
        }
        return switch (random.nextInt(11)) {
            case 0 -> sign;
            case 1 -> sign | fraction;
            case 2 -> sign | 0x7FF0_0000_0000_0000L;
            case 3 -> sign | 0x7FF0_0000_0000_0000L | fraction;
            case 4 -> sign | (long) random.nextInt(64) << 52 | fraction;
            case 5 -> sign | (0x7FEL - random.nextInt(64)) << 52 | fraction;
            case 6 -> sign | (0x3FFL + random.nextInt(68)) << 52 | fraction;
            case 7 ->
                    sign
                            | ((random.nextBoolean() ? 0x47EL : 0x381L) + random.nextInt(-26, 2))
                                    << 52
                            | fraction;
            default -> sign | (0x3F8L + random.nextInt(14)) << 52 | fraction;
        };
    }

    private static void putLong(byte[] bytes, int at, long value) {
        for (int i = 0; i < 8; i++) {
            bytes[at + i] = (byte) (value >>> 8 * i);
        }
    }

    private static void putInt(byte[] bytes, int at, int value) {
        for (int i = 0; i < 4; i++) {
            bytes[at + i] = (byte) (value >>> 8 * i);
        }
    }
}
