// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Random straight-line code of SSE, AVX and BMI instructions: the interpreter against the host's
 * processor. {@code -Dfrond.sequences=N} says how many sequences, {@code -Dfrond.oracle.seed=N}
 * which.
 */
final class VectorSequenceTest {
    private static final int SEQUENCES = Integer.getInteger("frond.sequences", 5000);
    private static final int LENGTH = 20;
    private static final int STATES = 3;
    private static final int BLOCK = 512;

    private final SplittableRandom random =
            new SplittableRandom(Integer.getInteger("frond.oracle.seed", 0));

    @Test
    void sequencesLeaveWhatTheHostLeaves() {
        compare(false);
    }

    @Test
    void translatedSequencesLeaveWhatTheHostLeaves() {
        compare(true);
    }

    private void compare(boolean translated) {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (Translator translator = new Translator();
                NativeCode host = NativeCode.create(4096)) {
            long offset = -(host.stackEnd() - NativeCode.STACK_SIZE) & 63;
            MemorySegment block = host.stack().asSlice(offset, BLOCK);
            long address = host.stackEnd() - NativeCode.STACK_SIZE + offset;
            CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
            harness.map(host.codeAddress(), host.codeSize());
            harness.map(address, BLOCK);
            Runner runner = translator.runner(harness.cpu);
            runner.setOwner(Thread.currentThread());
            List<Form> forms = forms(VectorOracleTest.hostFeatures());
            UserState start = new UserState(BLOCK);
            UserState expected = new UserState(BLOCK);
            UserState actual = new UserState(BLOCK);
            for (int i = 0; i < SEQUENCES; i++) {
                byte[] code = sequence(forms);
                host.load(NativeCode.Mode.LONG, 0, code);
                long end = host.codeAddress() + code.length;
                harness.write(host.codeAddress(), code);
                // HLT, a #GP.
                harness.write(end, new byte[] {(byte) 0xF4});
                for (int state = 0; state < STATES; state++) {
                    prepare(start, address);
                    start.into(host, block);
                    expected.runAndTake(host, block);
                    start.into(harness, address);
                    harness.cpu.rip = host.codeAddress();
                    int fault = CpuHarness.NO_FAULT;
                    while (fault == CpuHarness.NO_FAULT) {
                        fault = translated ? harness.run(runner) : harness.step();
                    }
                    assertThat(fault).as("sequence %d", i).isEqualTo(CpuFault.GP);
                    assertThat(harness.cpu.rip).as("sequence %d", i).isEqualTo(end);
                    actual.take(harness, address);
                    actual.fault = CpuHarness.NO_FAULT;
                    assertThat(actual.differences(expected, 0))
                            .as("sequence %d: %s", i, HexFormat.of().formatHex(code))
                            .isEmpty();
                }
            }
        }
    }

    /**
     * Forms without approximate or undefined results, whose memory operands can be placed and
     * aligned.
     */
    private static List<Form> forms(Set<CpuFeature> features) {
        List<Form> forms = new ArrayList<>();
        for (Form form : Table.forms()) {
            boolean vector = form.isVector() || form.is(Form.VEX);
            boolean mmx = form.operands().stream().anyMatch(o -> o.name().matches("[PQN][a-z]+"));
            boolean left =
                    form.is(Form.VSIB)
                            || form.is(Form.NOT_64)
                            || form.mnemonic().matches("V?(RCP|RSQRT).*|VLDMXCSR|EXTRQ|INSERTQ")
                            || form.feature().isPresent()
                                    && !features.contains(form.feature().get());
            if (vector && !mmx && !left) {
                forms.add(form);
            }
        }
        return forms;
    }

    /** Any register but RSP, the base of memory operands and that of masked stores. */
    private int register() {
        while (true) {
            int register = random.nextInt(16);
            if (register != Cpu.RBX && register != Cpu.RSP && register != Cpu.RDI) {
                return register;
            }
        }
    }

    private byte[] sequence(List<Form> forms) {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        for (int i = 0; i < LENGTH; i++) {
            Form form = forms.get(random.nextInt(forms.size()));
            FormEncoder e = new FormEncoder();
            boolean noRegister = form.operands().stream().anyMatch(o -> o.name().startsWith("M"));
            e.memory =
                    form.hasModRm()
                            && !form.is(Form.REGISTER_ONLY)
                            && (form.is(Form.MEMORY_ONLY) || noRegister || random.nextBoolean());
            e.wide = random.nextBoolean();
            // Few registers, so that results are used.
            boolean few = form.isVector() && form.operands().stream().allMatch(Operand::isVector);
            e.reg = few ? random.nextInt(6) : register();
            e.rm = few ? random.nextInt(6) : register();
            e.vvvv = few ? random.nextInt(6) : register();
            e.wideVector = random.nextBoolean();
            e.longPrefix = random.nextBoolean();
            e.base = Cpu.RBX;
            e.displacement = 32 * random.nextInt(-3, 4);
            e.immediate = random.nextInt(256);
            e.immediate2 = random.nextInt(256);
            code.writeBytes(e.encode(form));
            if (form.undefinedFlags() != 0) {
                // CMP RAX,RBP defines them all.
                code.writeBytes(new byte[] {0x48, 0x39, (byte) 0xE8});
            }
        }
        return code.toByteArray();
    }

    private void prepare(UserState start, long address) {
        for (int i = 0; i < 16; i++) {
            start.gprs[i] = IntegerRig.value(random);
        }
        start.gprs[Cpu.RBX] = address + BLOCK / 2;
        start.gprs[Cpu.RDI] = address + BLOCK / 2;
        start.gprs[Cpu.RSP] = address + BLOCK / 2;
        start.flags = random.nextLong() & Cpu.STATUS;
        for (int i = 0; i < 64; i++) {
            start.vectors[i] = element();
        }
        for (int i = 0; i < BLOCK; i += 8) {
            long value = element();
            for (int b = 0; b < 8; b++) {
                start.memory[i + b] = (byte) (value >>> 8 * b);
            }
        }
        // All exceptions masked; rounding, FTZ, DAZ and sticky flags at random.
        start.mxcsr = 0x1F80 | random.nextInt(0x10000) & 0xE07F;
    }

    private long element() {
        return switch (random.nextInt(4)) {
            case 0 -> Double.doubleToRawLongBits(random.nextDouble(-1000, 1000));
            case 1 -> {
                int low = Float.floatToRawIntBits((float) random.nextDouble(-1000, 1000));
                int high = Float.floatToRawIntBits((float) random.nextDouble(-1, 1));
                yield low & 0xFFFF_FFFFL | (long) high << 32;
            }
            case 2 -> IntegerRig.value(random);
            default -> random.nextLong();
        };
    }
}
