// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.IntegerEncoder.Addressing;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Random straight-line code of integer instructions: the interpreter against the host's processor.
 * {@code -Dfrond.sequences=N} says how many sequences, {@code -Dfrond.oracle.seed=N} which.
 */
final class RandomSequenceTest {
    private static final int SEQUENCES = Integer.getInteger("frond.sequences", 5000);
    private static final int LENGTH = 20;

    /** States that each sequence is run from. */
    private static final int STATES = 3;

    private final SplittableRandom random =
            new SplittableRandom(Integer.getInteger("frond.oracle.seed", 0));

    @Test
    void sequencesLeaveWhatTheHostLeaves() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (IntegerRig rig = new IntegerRig()) {
            compare(rig);
        }
    }

    @Test
    void translatedSequencesLeaveWhatTheHostLeaves() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (IntegerRig rig = new IntegerRig();
                Translator translator = new Translator()) {
            rig.runner(translator.runner(rig.harness.cpu));
            compare(rig);
        }
    }

    @Test
    void theEngineCanChangeBetweenAnyTwoInstructions() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (IntegerRig rig = new IntegerRig();
                Translator translator = new Translator()) {
            rig.runner(translator.runner(rig.harness.cpu));
            switches = true;
            compare(rig);
        }
    }

    /** Whether each run begins with the interpreter, for a random number of instructions. */
    private boolean switches;

    private void compare(IntegerRig rig) {
        List<Form> forms = forms(rig.features());
        rig.mode(true);
        int completed = 0;
        for (int i = 0; i < SEQUENCES; i++) {
            byte[] code = sequence(forms, rig);
            rig.load(code);
            for (int state = 0; state < STATES; state++) {
                prepare(rig);
                rig.interpretFirst = switches ? random.nextInt(2 * LENGTH) : 0;
                rig.run(false);
                assertThat(rig.differences(0))
                        .as("sequence %d: %s%s", i, HexFormat.of().formatHex(code), rig.describe())
                        .isEmpty();
                completed += rig.expected.fault == CpuHarness.NO_FAULT ? 1 : 0;
            }
        }
        // Divisions end some of them.
        assertThat(completed).isGreaterThan(SEQUENCES * STATES / 2);
    }

    /** Forms whose effect lies in registers other than RBX, RSP and RDI, and in the window. */
    private static List<Form> forms(Set<CpuFeature> features) {
        List<Form> forms = new ArrayList<>();
        for (Form form : Table.forms()) {
            boolean left =
                    IntegerForms.excuse(form).isPresent()
                            || IntegerForms.alwaysFaults(form)
                            || IntegerForms.isNearTransfer(form)
                            || IntegerForms.isString(form)
                            || form.is(Form.NOT_64)
                            || form.feature().isPresent()
                                    && !features.contains(form.feature().get())
                            || form.operands().contains(Operand.Sw)
                            || form.operands().contains(Operand.Ob)
                            || form.operands().contains(Operand.Ov)
                            || form.mnemonic().startsWith("CMPXCHG8B")
                            || form.mnemonic().startsWith("BT")
                                    && form.operands().contains(Operand.Gv)
                            || form.mnemonic().matches("SH[LR]D|ENTER|LEAVE|XLAT|POPF|PUSHF")
                            || form.mnemonic().matches("CLFLUSH.*|CLWB");
            if (!left) {
                forms.add(form);
            }
        }
        return forms;
    }

    private int register() {
        while (true) {
            int register = random.nextInt(16);
            if (register != Cpu.RBX && register != Cpu.RSP && register != Cpu.RDI) {
                return register;
            }
        }
    }

    private byte[] sequence(List<Form> forms, IntegerRig rig) {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        for (int i = 0; i < LENGTH; ) {
            Form form = forms.get(random.nextInt(forms.size()));
            IntegerEncoder e = new IntegerEncoder();
            e.wide = random.nextInt(3) == 0 && !form.is(Form.W0) || form.is(Form.W1);
            e.word = random.nextInt(4) == 0;
            // Byte registers 4 to 7 without REX would be AH to BH, and BH is RBX's.
            e.rex = random.nextInt(3) > 0;
            e.reg = register();
            if (IntegerEncoder.registerInOpcode(form)) {
                e.reg = form.opcode() & 7;
                if (e.reg == Cpu.RBX || e.reg == Cpu.RSP || e.reg == Cpu.RDI) {
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
                e.addressing = all[random.nextInt(all.length)];
            } while (e.addressing == Addressing.INDEX_DISP32);
            e.displacement = e.addressing == Addressing.BASE ? 0 : random.nextInt(-60, 60);
            e.address = rig.window() + random.nextInt(200, 300);
            boolean locked = e.memory && form.is(Form.LOCK) || form.mnemonic().equals("XCHG");
            if (locked) {
                // Locked accesses must not cross cache lines.
                e.displacement &= -8;
                e.address &= -8;
                e.lock = e.hasMemory(form) && form.is(Form.LOCK) && random.nextInt(2) == 0;
            }
            e.immediate = IntegerRig.value(random);
            code.writeBytes(e.encode(form, rig.codeAddress + code.size()));
            if (form.undefinedFlags() != 0) {
                // CMP RAX,RBP defines them all.
                code.writeBytes(new byte[] {0x48, 0x39, (byte) 0xE8});
            }
            i++;
        }
        return code.toByteArray();
    }

    private void prepare(IntegerRig rig) {
        long[] gprs = rig.start.gprs;
        for (int i = 0; i < 16; i++) {
            gprs[i] = IntegerRig.value(random);
        }
        for (int i = 0; i < IntegerRig.WINDOW; i++) {
            rig.start.memory[i] = (byte) random.nextInt();
        }
        // Pushes stay above and pops below the window's ends.
        gprs[Cpu.RSP] = rig.window() + IntegerRig.WINDOW / 2;
        gprs[Cpu.RBX] = rig.window() + IntegerRig.WINDOW / 2;
        gprs[Cpu.RDI] = 8L * random.nextInt(-4, 5);
        rig.start.flags = random.nextLong() & IntegerRig.FLAGS;
    }
}
