// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.IntegerEncoder.Addressing;
import dev.frond.cpu.interp.IntegerRig.Place;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Every unprivileged integer instruction of the table, in all encodings and on operands of all
 * kinds: the interpreter against the host's processor, in registers, flags, memory and exceptions.
 *
 * <p>{@code -Dfrond.oracle.seed=N} chooses other operands, {@code -Dfrond.oracle.encodings=N} and
 * {@code -Dfrond.oracle.states=N} how many, {@code -Dfrond.oracle.report=FILE} writes where the
 * host's undefined flags are not the interpreter's.
 */
final class IntegerOracleTest {
    private static final int ENCODINGS = Integer.getInteger("frond.oracle.encodings", 40);
    private static final int STATES = Integer.getInteger("frond.oracle.states", 12);

    private IntegerRig rig;
    private SplittableRandom random = new SplittableRandom(1);
    private boolean code64;

    /** Where memory operands of the encoding under test are. */
    private Place place = Place.MIDDLE;

    /** What the index register holds. */
    private long indexValue;

    /** By mnemonic, undefined flags that the host set otherwise. */
    private final Map<String, Long> undefinedDiffer = new TreeMap<>();

    /** Whether whole blocks are executed by the translator. */
    private boolean translated;

    @BeforeEach
    void create() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        rig = new IntegerRig();
    }

    @AfterEach
    void close() {
        if (rig != null) {
            rig.close();
        }
    }

    // --- which forms ----------------------------------------------------------------------------

    @Test
    void in64BitModeInstructionsDoWhatTheHostDoes() throws IOException {
        check(true);
    }

    @Test
    void inCompatibilityModeInstructionsDoWhatTheHostDoes() throws IOException {
        assumeThat(rig.compatibility).as("a host kernel with a 32-bit code segment").isTrue();
        check(false);
    }

    @Test
    void translatedInstructionsDoWhatTheHostDoes() throws IOException {
        try (Translator translator = new Translator(Translator.Settings.DEFAULT.eagerly())) {
            rig.runner(translator.runner(rig.harness.cpu));
            translated = true;
            check(true);
        }
    }

    @Test
    void translated32BitInstructionsDoWhatTheHostDoes() throws IOException {
        assumeThat(rig.compatibility).as("a host kernel with a 32-bit code segment").isTrue();
        try (Translator translator = new Translator()) {
            rig.runner(translator.runner(rig.harness.cpu));
            translated = true;
            check(false);
        }
    }

    @Test
    void everyExcuseIsForAFormOfTheTable() {
        Set<String> names = new TreeSet<>();
        for (Form form : Table.forms()) {
            names.add(IntegerForms.name(form));
        }
        assertThat(names).containsAll(IntegerForms.EXCUSED.keySet());
    }

    @Test
    void everyFormExistsIn64BitModeOrInCompatibilityMode() {
        for (Form form : Table.forms()) {
            assertThat(form.is(Form.NOT_64) && form.is(Form.ONLY_64)).as("%s", form).isFalse();
        }
    }

    @Test
    void everySequenceOfBytesIsAnInstructionOrRefused() {
        SplittableRandom bytes = new SplittableRandom(7);
        Cpu cpu = rig.harness.cpu;
        byte[] code = new byte[16];
        for (int round = 0; round < 100_000; round++) {
            rig.mode((round & 1) == 0);
            bytes.nextBytes(code);
            int at = 0;
            for (int prefix : new int[] {0xF0, 0x66, 0xF2, 0xF3, 0x48}) {
                if (bytes.nextInt(5) == 0) {
                    code[at++] = (byte) prefix;
                }
            }
            if (bytes.nextInt(2) == 0) {
                code[at++] = 0x0F;
                int map = bytes.nextInt(6);
                if (map < 2) {
                    code[at] = (byte) (0x38 + 2 * map);
                }
            }
            rig.harness.write(rig.codeAddress, code);
            cpu.rip = rig.codeAddress;
            cpu.alone = true;
            assertThatCode(cpu.code::enterAlone)
                    .as("%s", HexFormat.of().formatHex(code))
                    .doesNotThrowAnyException();
            cpu.alone = false;
        }
    }

    /** Whether {@code form} is compared with the host here, if the host has it. */
    static boolean tests(Form form, boolean code64, boolean translated) {
        return IntegerForms.excuse(form).isEmpty()
                && !form.is(code64 ? Form.NOT_64 : Form.ONLY_64)
                && !(translated && IntegerForms.isNearTransfer(form));
    }

    private void check(boolean in64) throws IOException {
        code64 = in64;
        rig.mode(code64);
        Set<CpuFeature> features = rig.features();
        Map<String, String> failures = new LinkedHashMap<>();
        List<String> neverCompleted = new ArrayList<>();
        for (Form form : Table.forms()) {
            if (!tests(form, code64, translated)
                    || form.feature().isPresent() && !features.contains(form.feature().get())) {
                continue;
            }
            random =
                    new SplittableRandom(
                            form.toString().hashCode()
                                    + Integer.getInteger("frond.oracle.seed", 0));
            completed = 0;
            String failure = check(form);
            if (failure != null) {
                failures.put(form.toString(), failure);
            } else if (completed == 0 && !IntegerForms.alwaysFaults(form)) {
                neverCompleted.add(form.toString());
            }
        }
        report();
        assertThat(failures).isEmpty();
        assertThat(neverCompleted).isEmpty();
    }

    private void report() throws IOException {
        String file = System.getProperty("frond.oracle.report");
        if (file != null) {
            StringBuilder out = new StringBuilder();
            undefinedDiffer.forEach(
                    (name, flags) -> out.append(String.format("%s %03x%n", name, flags)));
            Files.writeString(Path.of(file + (code64 ? ".64" : ".32")), out);
        }
    }

    // --- one form -------------------------------------------------------------------------------

    private int completed;

    private @Nullable String check(Form form) {
        for (int i = 0; i < ENCODINGS; i++) {
            IntegerEncoder encoder = choose(form, i);
            byte[] code = encoder.encode(form, rig.codeAddress);
            if (code.length > 15) {
                continue;
            }
            rig.load(code);
            for (int state = 0; state < STATES; state++) {
                prepare(form, encoder, code.length);
                if (isUndefinedShift(form, encoder)) {
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

    private @Nullable String run(Form form, IntegerEncoder encoder, byte[] code) {
        try {
            rig.run(IntegerForms.isNearTransfer(form));
        } catch (AssertionError | RuntimeException e) {
            return HexFormat.of().formatHex(code) + ": " + e + rig.describe();
        }
        if (form.mnemonic().equals("POPA") && rig.expected.fault != CpuHarness.NO_FAULT) {
            // Which registers it has already loaded is the processor's own affair.
            System.arraycopy(rig.expected.gprs, 0, rig.actual.gprs, 0, 16);
        }
        if (form.mnemonic().startsWith("CMPS") && rig.expected.fault == CpuFault.PF) {
            // Which of its operands it reads first, too.
            rig.actual.faultAddress = rig.expected.faultAddress;
        }
        int undefined = IntegerForms.undefinedFlags(form, count(form, encoder), encoder.size(form));
        if (translated && rig.expected.fault == CpuFault.PF
                || translated && rig.expected.fault == CpuFault.GP
                || translated && rig.expected.fault == CpuFault.SS) {
            // Flags that the instruction would have overwritten are not kept for the fault's frame.
            undefined |= Cpu.STATUS;
        }
        long differ = (rig.actual.flags ^ rig.expected.flags) & undefined;
        if (differ != 0) {
            undefinedDiffer.merge(form.mnemonic(), differ, (a, b) -> a | b);
        }
        if (rig.expected.fault == CpuHarness.NO_FAULT) {
            completed++;
        }
        List<String> differences = rig.differences(undefined);
        return differences.isEmpty()
                ? null
                : HexFormat.of().formatHex(code) + ": " + differences + rig.describe();
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

    /** Double shifts of 16 bits by more: vendors give different results. */
    private boolean isUndefinedShift(Form form, IntegerEncoder encoder) {
        return form.mnemonic().matches("SH[LR]D")
                && encoder.size(form) == 2
                && (count(form, encoder) & 31) > 16;
    }

    // --- encodings ------------------------------------------------------------------------------

    private boolean chance(int one) {
        return random.nextInt(one) == 0;
    }

    private int register() {
        return random.nextInt(code64 ? 16 : 8);
    }

    private IntegerEncoder choose(Form form, int i) {
        IntegerEncoder e = new IntegerEncoder();
        e.code64 = code64;
        boolean memoryToo =
                form.hasModRm() && form.digit() < Form.EXACT && !form.is(Form.REGISTER_ONLY);
        boolean registerToo = !form.is(Form.MEMORY_ONLY);
        e.memory = memoryToo && (!registerToo || (i & 1) != 0);
        e.wide = code64 && (i >> 1 & 1) != 0 && !form.is(Form.W0) || form.is(Form.W1);
        boolean transfer = IntegerForms.isNearTransfer(form);
        // Vendors disagree on 66 before near transfers: Intel ignores it in 64-bit mode.
        e.word = (i >> 2 & 3) == 3 && !transfer && form.prefix() != Form.PREFIX_NONE;
        e.rex = code64 && chance(3);
        e.reg = IntegerEncoder.registerInOpcode(form) ? form.opcode() & 7 : register();
        if (IntegerEncoder.registerInOpcode(form) && code64 && chance(2)) {
            e.reg += 8;
        }
        e.rm = register();
        if (form.is(Form.VEX)) {
            e.vvvv = register();
            e.wide = chance(2);
            e.strayBit = !code64 && chance(4);
            e.word = chance(30);
            e.repeat = chance(30) ? 0xF2 : 0;
        }
        if (form.mnemonic().equals("MOV") && form.operands().contains(Operand.Sw)) {
            e.reg = random.nextInt(8);
        }
        if (chance(16) || form.is(Form.LOCK) && e.memory && chance(3)) {
            // On processors of AMD, LOCK MOV CR0 is how 32-bit code reaches CR8.
            e.lock = !form.operands().contains(Operand.Cy);
        }
        if (IntegerForms.isString(form)) {
            e.repeat = new int[] {0, 0xF2, 0xF3, 0xF3}[random.nextInt(4)];
        }
        if (chance(6)) {
            e.override = new int[] {0x26, 0x36, 0x3E}[random.nextInt(3)];
        }
        place = chance(6) ? chance(2) ? Place.START : Place.END : Place.MIDDLE;
        rig.place(place);
        Addressing[] all = Addressing.values();
        e.addressing = all[random.nextInt(code64 ? all.length : all.length - 1)];
        boolean moffs =
                form.operands().contains(Operand.Ob) || form.operands().contains(Operand.Ov);
        // 67 makes 16-bit addresses of 32-bit ones, where a process has no memory.
        boolean needsNoMemory = !e.memory && !moffs && !IntegerForms.isString(form);
        e.shortAddress =
                chance(5)
                        && (code64 || needsNoMemory)
                        && !form.mnemonic().equals("XLAT")
                        && !(transfer && !code64);
        address(form, e);
        e.immediate = immediate(form);
        e.immediate2 = chance(8) ? random.nextInt(256) : random.nextInt(4);
        return e;
    }

    private long immediate(Form form) {
        if (IntegerForms.isNearTransfer(form)) {
            return switch (form.operands().isEmpty() ? Operand.ST0 : form.operands().getFirst()) {
                case Jz -> random.nextInt(-1500, 1500);
                case Iw -> random.nextInt(64);
                default -> random.nextInt(256);
            };
        }
        if (form.mnemonic().equals("ENTER")) {
            return random.nextInt(64);
        }
        if (IntegerForms.isShift(form)) {
            return random.nextInt(chance(3) ? 256 : 34);
        }
        return IntegerRig.value(random);
    }

    private void address(Form form, IntegerEncoder e) {
        do {
            e.base = register();
            e.index = register();
        } while (e.index == Cpu.RSP
                || e.index == e.base
                // RSP must stay in the window: what is pushed elsewhere is the virtual machine's.
                || e.base == Cpu.RSP && IntegerForms.usesStack(form) && e.addressing.hasIndex());
        if (bitByRegister(form) || form.mnemonic().equals("LEA")) {
            while (e.reg == e.base || e.reg == e.index) {
                e.reg = register();
            }
        }
        e.scale = random.nextInt(4);
        boolean byteOnly =
                e.addressing == Addressing.BASE_DISP8
                        || e.addressing == Addressing.BASE_INDEX_DISP8;
        e.displacement =
                e.addressing == Addressing.BASE
                        ? 0
                        : byteOnly
                                ? random.nextInt(-128, 128)
                                : e.base == Cpu.RSP
                                        ? random.nextInt(-128, 128)
                                        : random.nextInt(-1 << 20, 1 << 20);
        do {
            e.address = target(form, e);
        } while (e.address >>> 32 != 0);
        indexValue =
                e.addressing == Addressing.INDEX_DISP32
                        ? random.nextInt(1 << 16)
                        : e.shortAddress ? random.nextInt() : IntegerRig.value(random);
        if (e.addressing == Addressing.INDEX_DISP32) {
            e.displacement = (int) (e.address - (indexValue << e.scale));
        }
    }

    private static boolean bitByRegister(Form form) {
        return form.mnemonic().startsWith("BT") && form.operands().contains(Operand.Gv);
    }

    /** An address for an operand: in the window, at its edge now and then. */
    private long target(Form form, IntegerEncoder e) {
        long at = spot();
        boolean atomic =
                e.lock || form.mnemonic().equals("XCHG") || form.mnemonic().startsWith("CMPXCHG");
        if (!atomic) {
            return at;
        }
        // A locked access across a cache line may be refused by the host's kernel.
        int size = e.size(form);
        if (form.mnemonic().startsWith("CMPXCHG8B")) {
            return e.wide && !chance(6) ? at & -16 : at & -8;
        }
        return at & -size;
    }

    private long spot() {
        if (code64 && place == Place.MIDDLE && chance(40)) {
            return garbage();
        }
        return rig.window()
                + switch (place) {
                    case MIDDLE -> IntegerRig.WINDOW / 2 + random.nextInt(-20, 20);
                    case START -> random.nextInt(40);
                    case END -> IntegerRig.WINDOW - random.nextInt(1, 40);
                };
    }

    // --- states ---------------------------------------------------------------------------------

    private long mask() {
        return code64 ? -1 : 0xFFFF_FFFFL;
    }

    private void prepare(Form form, IntegerEncoder e, int length) {
        IntegerRig.Registers start = rig.start;
        long[] r = start.gprs;
        for (int i = 0; i < 16; i++) {
            r[i] = IntegerRig.value(random);
        }
        for (int i = 0; i < IntegerRig.WINDOW; i += 8) {
            long value = IntegerRig.value(random);
            put(i, value, 8);
        }
        start.flags = random.nextLong() & IntegerRig.FLAGS;
        implied(form, e);
        boolean inMemory = e.hasMemory(form);
        if (bitByRegister(form) && inMemory) {
            // The bit may be anywhere around the operand; upper parts of the register do not count.
            long bits = random.nextInt(-600, 600);
            int size = e.size(form);
            r[e.reg] =
                    size == 8
                            ? bits
                            : IntegerRig.value(random) << 8 * size | bits & (1L << 8 * size) - 1;
        }
        long at = e.address;
        if (inMemory) {
            if (e.addressing.hasBase()) {
                do {
                    at = target(form, e);
                    // With a stack access besides, the vector depends on which of them is refused.
                } while (IntegerForms.usesStack(form) && at >>> 32 != 0);
                long indexed = 0;
                if (e.addressing.hasIndex()) {
                    r[e.index] = indexValue;
                    indexed = indexValue << e.scale;
                }
                long displacement =
                        e.addressing == Addressing.BASE && (e.base & 7) != Cpu.RBP
                                ? 0
                                : e.displacement;
                r[e.base] = at - indexed - displacement;
                if (e.shortAddress && code64) {
                    r[e.base] = r[e.base] & 0xFFFF_FFFFL | garbage();
                }
            } else if (e.addressing == Addressing.INDEX_DISP32) {
                r[e.index] = indexValue;
            }
        }
        transfer(form, e, at, length);
        if (!code64) {
            for (int i = 0; i < 16; i++) {
                r[i] = i < 8 ? r[i] & mask() : 0;
            }
        }
        compared(form, e, at);
    }

    private void put(int offset, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            rig.start.memory[offset + i] = (byte) (value >>> 8 * i);
        }
    }

    private void putAt(long address, long value, int bytes) {
        long offset = address - rig.window();
        if (offset >= 0 && offset + bytes <= IntegerRig.WINDOW) {
            put((int) offset, value, bytes);
        }
    }

    /** An upper half with which no address is canonical. */
    private long garbage() {
        return (random.nextInt() & 0x3FFF_FFFFL | 0x4000_0000L) << 32;
    }

    /** Registers that an instruction uses unsaid. */
    private void implied(Form form, IntegerEncoder e) {
        long[] r = rig.start.gprs;
        if (IntegerForms.usesStack(form)) {
            r[Cpu.RSP] = spot();
            r[Cpu.RBP] = chance(3) ? r[Cpu.RSP] : spot();
        }
        if (IntegerForms.isString(form)) {
            long garbage = e.shortAddress ? garbage() : 0;
            r[Cpu.RSI] = spot() | garbage;
            r[Cpu.RDI] =
                    (chance(3) && r[Cpu.RSI] << 32 != 0
                                    ? (r[Cpu.RSI] & 0xFFFF_FFFFL) + random.nextInt(9)
                                    : spot())
                            | garbage;
            if (e.repeat != 0) {
                r[Cpu.RCX] = random.nextInt(9) | garbage;
            }
            if (chance(2)) {
                // Few different elements, so that they compare equal.
                byte fill = (byte) random.nextInt();
                for (int i = 0; i < IntegerRig.WINDOW; i++) {
                    rig.start.memory[i] = chance(30) ? (byte) random.nextInt() : fill;
                }
                r[Cpu.RAX] = (fill & 0xFF) * 0x0101_0101_0101_0101L;
            }
        }
        switch (form.mnemonic()) {
            case "XLAT" -> r[Cpu.RBX] = spot() - (r[Cpu.RAX] & 0xFF);
            case "DIV", "IDIV" -> dividend(form, e);
            case "POPF" -> {
                // No trap flag, alignment check or nested task for the host.
                for (int i = 0; i < IntegerRig.WINDOW; i++) {
                    rig.start.memory[i] = 0;
                }
                putAt(r[Cpu.RSP], random.nextLong() & (IntegerRig.FLAGS | Cpu.IF | Cpu.IOPL), 4);
            }
            case "INTO" -> rig.start.flags &= ~Cpu.OF;
            case "LOOP", "LOOPZ", "LOOPNZ", "JCXZ" -> {
                if (chance(2)) {
                    long garbage = random.nextLong() << 32;
                    r[Cpu.RCX] = random.nextInt(3) | (chance(2) ? garbage : 0);
                }
            }
            default -> {
                if (IntegerForms.isShift(form)) {
                    r[Cpu.RCX] = r[Cpu.RCX] & ~0xFF | random.nextInt(chance(3) ? 256 : 34);
                }
            }
        }
    }

    /** Dividends that mostly have a quotient, often at the limit of what fits. */
    private void dividend(Form form, IntegerEncoder e) {
        long[] r = rig.start.gprs;
        int size = e.size(form);
        boolean signed = form.mnemonic().equals("IDIV");
        if (e.hasMemory(form) || e.rm == Cpu.RAX || e.rm == Cpu.RDX || size == 1 || chance(4)) {
            r[Cpu.RDX] = signed ? r[Cpu.RAX] >> 63 : random.nextInt(4);
            if (size == 1) {
                r[Cpu.RAX] =
                        r[Cpu.RAX] & ~0xFFFF | random.nextInt(signed ? -200 : 0, 2000) & 0xFFFF;
            }
            return;
        }
        int bits = 8 * size;
        BigInteger modulus = BigInteger.ONE.shiftLeft(bits);
        BigInteger divisor = part(r[e.rm], modulus, signed);
        BigInteger quotient = part(IntegerRig.value(random), modulus, signed);
        BigInteger rest =
                divisor.signum() == 0
                        ? BigInteger.ONE
                        : part(random.nextLong(), modulus, false).mod(divisor.abs());
        BigInteger value = quotient.multiply(divisor);
        value =
                value.signum() < 0 || value.signum() == 0 && signed && chance(2)
                        ? value.subtract(rest)
                        : value.add(rest);
        // One beyond the limit, sometimes.
        value = value.add(BigInteger.valueOf(chance(6) ? random.nextInt(-1, 2) : 0));
        r[Cpu.RAX] = r[Cpu.RAX] & (size == 8 ? 0 : -1L << bits) | value.mod(modulus).longValue();
        r[Cpu.RDX] =
                r[Cpu.RDX] & (size == 8 ? 0 : -1L << bits)
                        | value.shiftRight(bits).mod(modulus).longValue();
    }

    private static BigInteger part(long value, BigInteger modulus, boolean signed) {
        BigInteger part = new BigInteger(Long.toUnsignedString(value)).mod(modulus);
        return signed && part.testBit(modulus.bitLength() - 2) ? part.subtract(modulus) : part;
    }

    /** A target for near jumps, calls and returns that is code. */
    private void transfer(Form form, IntegerEncoder e, long at, int length) {
        if (!IntegerForms.isNearTransfer(form)) {
            return;
        }
        long target = rig.codeAddress + length + random.nextInt(-1500, 1500);
        if (form.mnemonic().equals("RET")) {
            putAt(rig.start.gprs[Cpu.RSP], target, code64 ? 8 : 4);
        } else if (form.hasModRm()) {
            if (code64 && chance(8)) {
                // Not canonical.
                target |= 1L << random.nextInt(48, 63);
            }
            if (e.hasMemory(form)) {
                putAt(at, target, code64 ? 8 : 4);
            } else {
                rig.start.gprs[e.rm] = target;
            }
        }
    }

    /** Makes operands that are compared equal, half of the time. */
    private void compared(Form form, IntegerEncoder e, long at) {
        long[] r = rig.start.gprs;
        if (!form.mnemonic().startsWith("CMPXCHG") || chance(2)) {
            return;
        }
        boolean inMemory = e.hasMemory(form);
        if (form.mnemonic().startsWith("CMPXCHG8B")) {
            int half = e.wide ? 8 : 4;
            putAt(at, r[Cpu.RAX], half);
            putAt(at + half, r[Cpu.RDX], half);
        } else if (inMemory) {
            putAt(at, r[Cpu.RAX], e.size(form));
        } else {
            r[e.rm] = r[Cpu.RAX];
        }
    }
}
