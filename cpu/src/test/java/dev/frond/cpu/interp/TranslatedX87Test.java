// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.fpu.X87;
import dev.frond.cpu.fpu.X87Image;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.ExecutableMemory;
import dev.frond.host.NativeFunction;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * The guest's x87 state while the host's unit has it: when it comes, when it goes, and what of it
 * the host would get wrong. What single instructions compute is {@link VectorOracleTest}'s.
 */
@NullMarked
final class TranslatedX87Test {
    private static final long CODE = 0x40_0000;
    private static final long DATA = 0x50_0000;

    /** Programs end in it, a #GP in user mode. */
    private static final byte HLT = (byte) 0xF4;

    private CpuHarness harness = new CpuHarness(CpuModel.X86_64_V2, 3);
    private Cpu cpu = harness.cpu;
    private Translator translator = new Translator(Translator.Settings.DEFAULT.eagerly());
    private Runner runner = Runner.NODES;

    @BeforeEach
    void create() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        use(harness);
    }

    private void use(CpuHarness next) {
        translator.close();
        harness = next;
        cpu = next.cpu;
        translator = new Translator(Translator.Settings.DEFAULT.eagerly());
        runner = translator.runner(cpu);
        runner.setOwner(Thread.currentThread());
        harness.map(CODE, 4 * 4096);
        harness.map(DATA, 2 * 4096);
        cpu.x87.fninit();
    }

    @AfterEach
    void close() {
        translator.close();
    }

    private void load(long at, String hex) {
        harness.write(at, HexFormat.ofDelimiter(" ").parseHex(hex));
    }

    /** Runs from {@code at} to the HLT at {@code end}. */
    private void run(long at, long end) {
        cpu.rip = at;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.GP);
        assertThat(cpu.rip).isEqualTo(end);
    }

    private void writeDouble(long at, double value) {
        byte[] bytes = new byte[8];
        MemorySegment.ofArray(bytes)
                .set(ValueLayout.JAVA_LONG_UNALIGNED, 0, Double.doubleToRawLongBits(value));
        harness.write(at, bytes);
    }

    private double readDouble(long at) {
        byte[] bytes = new byte[8];
        harness.read(at, bytes);
        return MemorySegment.ofArray(bytes).get(ValueLayout.JAVA_DOUBLE_UNALIGNED, 0);
    }

    private long interpreted() {
        Long count = runner.counters().get("instructions interpreted");
        return count == null ? 0 : count;
    }

    // --- what is emitted ------------------------------------------------------------------------

    /** What stays with the interpreter. */
    private static final Set<String> LEFT =
            Set.of(
                    "F2XM1",
                    "FYL2X",
                    "FYL2XP1",
                    "FPTAN",
                    "FPATAN",
                    "FSIN",
                    "FCOS",
                    "FSINCOS",
                    "FNSTENV",
                    "FLDENV",
                    "FNSAVE",
                    "FRSTOR",
                    "FNINIT",
                    "FNENI",
                    "FNDISI",
                    "FNSETPM",
                    "MASKMOVQ",
                    "CVTPI2PS",
                    "CVTPI2PD",
                    "CVTPS2PI",
                    "CVTTPS2PI",
                    "CVTPD2PI",
                    "CVTTPD2PI");

    private static boolean isX87(Form form) {
        return form.map() == 0
                && !form.is(Form.VEX)
                && ((form.opcode() & 0xF8) == 0xD8 || form.opcode() == 0x9B);
    }

    private static boolean isMmx(Form form) {
        return form.mnemonic().equals("EMMS")
                || form.operands().stream().anyMatch(o -> o.name().matches("[PQN][a-z]+"));
    }

    @Test
    void allButAFewInstructionsAreEmitted() {
        Set<CpuFeature> features = IntegerRig.hostFeatures();
        features.retainAll(CpuModel.X86_64_V2.features());
        List<Form> forms = new ArrayList<>();
        List<byte[]> codes = new ArrayList<>();
        for (Form form : Table.forms()) {
            boolean there =
                    !form.is(Form.NOT_64) && form.feature().map(features::contains).orElse(true);
            if (there && (isX87(form) || isMmx(form))) {
                FormEncoder encoder = new FormEncoder();
                encoder.memory =
                        form.is(Form.MEMORY_ONLY)
                                || form.operands().stream().anyMatch(o -> o.name().startsWith("M"));
                encoder.reg = 1;
                encoder.rm = 2;
                encoder.base = Cpu.RBX;
                harness.write(CODE + 32L * forms.size(), encoder.encode(form));
                codes.add(encoder.encode(form));
                harness.write(CODE + 32L * forms.size() + codes.getLast().length, new byte[] {HLT});
                forms.add(form);
            }
        }
        for (int i = 0; i < forms.size(); i++) {
            Form form = forms.get(i);
            harness.write(DATA, new byte[] {0x7F, 3});
            cpu.r[Cpu.RBX] = DATA;
            cpu.r[Cpu.RDI] = DATA;
            cpu.x87.fninit();
            // What the TLB lacks interprets nothing.
            long before = interpreted();
            run(CODE + 32L * i, CODE + 32L * i + codes.get(i).length);
            // HLT, and the instruction itself if it is left.
            int left = LEFT.contains(form.mnemonic()) ? 1 : 0;
            assertThat(interpreted() - before).as(form.toString()).isEqualTo(1 + left);
        }
        long x87 = forms.stream().filter(TranslatedX87Test::isX87).count();
        long mmx = forms.stream().filter(TranslatedX87Test::isMmx).count();
        assertThat(x87).isGreaterThan(100);
        assertThat(mmx).isGreaterThan(80);
    }

    @Test
    void aLoopKeepsTheUnitAndLeavesNothingToTheInterpreter() {
        // fldz; mov ecx,1000; again: fild dword [rdi]; faddp; inc dword [rdi]; dec ecx; jnz again;
        // fstp qword [rdi+8]; hlt
        load(CODE, "D9 EE B9 E8 03 00 00 DB 07 DE C1 FF 07 FF C9 75 F6 DD 5F 08 F4");
        cpu.r[Cpu.RDI] = DATA;
        run(CODE, CODE + 20);
        assertThat(readDouble(DATA + 8)).isEqualTo(999 * 1000 / 2);
        assertThat(interpreted()).isEqualTo(1);
    }

    @Test
    void afterwardsTheHostsUnitIsAsJavaWantsIt() {
        // fldcw [rdi]; eight times fld1; hlt
        load(CODE, "D9 2F D9 E8 D9 E8 D9 E8 D9 E8 D9 E8 D9 E8 D9 E8 D9 E8 F4");
        harness.write(DATA, new byte[] {0x7F, 0xC});
        cpu.r[Cpu.RDI] = DATA;
        run(CODE, CODE + 18);
        assertThat(cpu.x87.controlWord()).isEqualTo(0xC7F);
        assertThat(cpu.x87.occupied()).isEqualTo(0xFF);
        try (ExecutableMemory memory =
                ExecutableMemory.allocate(4096, 4096, ExecutableMemory.Placement.ANYWHERE)) {
            // fnstenv [rdi]; fldenv [rdi]; ret
            memory.code()
                    .copyFrom(
                            MemorySegment.ofArray(HexFormat.of().parseHex("D937" + "D927" + "C3")));
            NativeFunction.at(memory.address()).call(memory.data().address(), 0);
            assertThat(memory.data().get(ValueLayout.JAVA_SHORT, 0)).isEqualTo((short) 0x37F);
            assertThat(memory.data().get(ValueLayout.JAVA_SHORT, 4)).isZero();
            assertThat(memory.data().get(ValueLayout.JAVA_SHORT, 8)).isEqualTo((short) -1);
        }
    }

    // --- exceptions -----------------------------------------------------------------------------

    @Test
    void aFaultOfAnOperandLeavesTheUnitAsItWas() {
        // fld qword [rdi]; fld1; fadd qword [rsi]
        load(CODE, "DD 07 D9 E8 DC 06 F4");
        writeDouble(DATA, 2.5);
        cpu.r[Cpu.RDI] = DATA;
        cpu.r[Cpu.RSI] = DATA + 2 * 4096 - 4;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.PF);
        assertThat(cpu.rip).isEqualTo(CODE + 4);
        assertThat(cpu.cr2).isEqualTo(DATA + 2 * 4096);
        X87 unit = cpu.x87;
        assertThat(unit.top()).isEqualTo(6);
        assertThat(unit.significand(1)).isEqualTo(0xA000_0000_0000_0000L);
        assertThat(unit.instructionPointer()).isEqualTo(CODE + 2);
        assertThat(unit.opcode()).isEqualTo(0x1E8);
        assertThat(unit.codeSelector()).isEqualTo(0x33);
        assertThat(unit.dataPointer()).isEqualTo(DATA);
        assertThat(unit.dataSelector()).isEqualTo(0x2B);
    }

    @Test
    void aDivisionByZeroElsewhereKeepsTheUnit() {
        // fldpi; div ecx
        load(CODE, "D9 EB F7 F1");
        cpu.r[Cpu.RCX] = 0;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.DE);
        assertThat(cpu.x87.significand(0)).isEqualTo(0xC90F_DAA2_2168_C235L);
        assertThat(cpu.x87.instructionPointer()).isEqualTo(CODE);
    }

    @Test
    void anExceptionThatTheGuestUnmasksIsRaisedAtTheNextInstruction() {
        // fldz; fld1; fldcw [rdi]; fdiv st,st1; nop; fwait; hlt
        load(CODE, "D9 EE D9 E8 D9 2F D8 F1 90 9B F4");
        harness.write(DATA, new byte[] {0x7B, 3});
        cpu.r[Cpu.RDI] = DATA;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.MF);
        assertThat(cpu.rip).isEqualTo(CODE + 9);
        assertThat(cpu.x87.statusWord() & (X87.ES | 4)).isEqualTo(X87.ES | 4);
        assertThat(cpu.x87.instructionPointer()).isEqualTo(CODE + 6);
        // Masked again, it goes on where it was.
        cpu.x87.maskAll();
        run(CODE + 9, CODE + 10);
    }

    @Test
    void emulationMakesX87UnavailableAndMmxUndefined() {
        use(new CpuHarness(CpuModel.X86_64_V2, 0));
        // mov cr0,rax; fld1 / mov cr0,rax; pxor mm0,mm0
        load(CODE, "0F 22 C0 D9 E8");
        load(CODE + 64, "0F 22 C0 0F EF C0");
        // fld1; pxor mm0,mm0; ud2: the blocks that do without the check are there already
        load(CODE + 128, "D9 E8 0F EF C0 0F 0B");
        cpu.rip = CODE + 128;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.UD);
        cpu.r[Cpu.RAX] = cpu.cr0 | 4;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.NM);
        assertThat(cpu.rip).isEqualTo(CODE + 3);
        cpu.rip = CODE + 64;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.UD);
        assertThat(cpu.rip).isEqualTo(CODE + 67);
        cpu.rip = CODE + 128;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.NM);
    }

    @Test
    void twoTasksShareTheUnitByDeviceNotAvailable() {
        use(new CpuHarness(CpuModel.X86_64_V2, 0));
        // The tasks: again: fadd qword [rbx]; ud2, which yields; jmp again
        load(CODE, "DC 03 0F 0B EB FA");
        // The kernel's: mov cr0,rax; ud2 / clts; fnsave [rsi]; frstor [rdi]; ud2
        load(CODE + 4096, "0F 22 C0 0F 0B");
        load(CODE + 4096 + 64, "0F 06 DD 36 DD 27 0F 0B");
        // Each starts with a zero of its own.
        load(CODE + 4096 + 128, "DB E3 D9 EE DD 37 0F 0B");
        long[] areas = {DATA + 1024, DATA + 2048};
        for (long area : areas) {
            cpu.r[Cpu.RDI] = area;
            kernel(CODE + 4096 + 128);
        }
        writeDouble(DATA, 0.125);
        writeDouble(DATA + 8, -3);
        int owner = 0;
        cpu.r[Cpu.RDI] = areas[0];
        cpu.r[Cpu.RSI] = DATA + 512;
        kernel(CODE + 4096 + 64);
        int switches = 0;
        for (int turn = 0; turn < 60; turn++) {
            int task = turn * turn % 7 % 2;
            if (task != owner) {
                cpu.r[Cpu.RAX] = cpu.cr0 | 8;
                kernel(CODE + 4096);
            }
            cpu.r[Cpu.RBX] = DATA + 8L * task;
            cpu.rip = CODE;
            int fault = harness.run(runner);
            if (task != owner) {
                assertThat(fault).isEqualTo(CpuFault.NM);
                assertThat(cpu.rip).isEqualTo(CODE);
                cpu.r[Cpu.RSI] = areas[owner];
                cpu.r[Cpu.RDI] = areas[task];
                kernel(CODE + 4096 + 64);
                owner = task;
                switches++;
                cpu.rip = CODE;
                fault = harness.run(runner);
            }
            assertThat(fault).isEqualTo(CpuFault.UD);
            assertThat(cpu.rip).isEqualTo(CODE + 2);
            turns[task]++;
            double sum = turns[task] * (task == 0 ? 0.125 : -3);
            assertThat(top()).isEqualTo(sum);
        }
        assertThat(switches).isGreaterThan(10);
    }

    private final int[] turns = new int[2];

    private void kernel(long at) {
        cpu.rip = at;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.UD);
    }

    /** ST(0), of no more bits than a double has. */
    private double top() {
        int word = cpu.x87.signExponent(0);
        double magnitude =
                Math.scalb((double) (cpu.x87.significand(0) >>> 1), (word & 0x7FFF) - 16383 - 62);
        return (word & 0x8000) != 0 ? -magnitude : magnitude;
    }

    // --- engines --------------------------------------------------------------------------------

    @Test
    void aSumGoesOnThroughChangesOfTheEngine() {
        // again: fadd qword [rdi]; dec rcx; jnz again; hlt
        load(CODE, "DC 07 48 FF C9 75 F9 F4");
        writeDouble(DATA, 0.5);
        int rounds = 2000;
        cpu.x87.constant(X87.NIL);
        cpu.r[Cpu.RDI] = DATA;
        cpu.r[Cpu.RCX] = rounds;
        cpu.rip = CODE;
        int slices = 0;
        for (int fault = CpuHarness.NO_FAULT; fault == CpuHarness.NO_FAULT; slices++) {
            fault = slice();
            for (int i = 0; i < slices % 5 && fault == CpuHarness.NO_FAULT; i++) {
                fault = harness.step();
            }
        }
        assertThat(cpu.rip).isEqualTo(CODE + 7);
        assertThat(slices).isGreaterThan(rounds / 4);
        assertThat(top()).isEqualTo(rounds / 2.0);
    }

    /** Runs to the next backward jump, or a fault. */
    private int slice() {
        cpu.post(Cpu.EVENT_KICK);
        try {
            assertThat(runner.run()).isTrue();
            return CpuHarness.NO_FAULT;
        } catch (CpuFault fault) {
            return fault.vector();
        } finally {
            cpu.takeEvents();
        }
    }

    @Test
    void randomCodeLeavesTheWholeStateThatTheInterpreterLeaves() {
        RandomX87 random = new RandomX87(harness, runner, CODE, DATA);
        int sequences = Integer.getInteger("frond.oracle.x87", 400);
        for (int i = 0; i < sequences; i++) {
            assertThat(random.differences(6)).as("sequence " + i).isEmpty();
        }
        assertThat(runner.counters().get("blocks translated")).isGreaterThan(2L * sequences);
        assertThat(random.faults(CpuFault.PF)).isGreaterThan(20);
        assertThat(random.faults(CpuFault.MF)).isGreaterThan(20);
        assertThat(random.faults(CpuFault.GP)).isGreaterThan(500);
    }

    @Test
    void operandsAreNotedAsTheGuestSeesThem() {
        String[] operands = {
            // [rbx], [rbx+rdi*4+16], [r13], [r13+r14*2], [r12+r15], [rax+r15*8-8], [rsp], [rbp-8]
            "D9 03",
            "D9 44 BB 10",
            "41 D9 45 00",
            "43 D9 44 75 00",
            "43 D9 04 3C",
            "42 D9 44 F8 F8",
            "D9 04 24",
            "D9 45 F8",
            // [rip+..], [edi*2+..], [r14d+r15d+..], fs:[rbx], gs:[r13+r14], [disp32], [edx]
            "D9 05 00 10 00 00",
            "67 D9 04 7D 00 00 50 00",
            "67 43 D9 84 3E 00 00 50 00",
            "64 D9 03",
            "65 43 D9 44 35 00",
            "D9 04 25 10 00 50 00",
            "67 D9 02"
        };
        for (int i = 0; i < operands.length; i++) {
            byte[] code = HexFormat.ofDelimiter(" ").parseHex(operands[i]);
            ByteArrayOutputStream block = new ByteArrayOutputStream();
            block.writeBytes(code);
            block.write(HLT);
            harness.write(CODE + 64L * i, block.toByteArray());
            long[][] left = new long[2][];
            for (int engine = 0; engine < 2; engine++) {
                cpu.x87.fninit();
                registers();
                cpu.rip = CODE + 64L * i;
                int fault = engine == 0 ? harness.step() : harness.run(runner);
                assertThat(fault)
                        .as(operands[i])
                        .isEqualTo(engine == 0 ? CpuHarness.NO_FAULT : CpuFault.GP);
                left[engine] = X87Image.save(cpu.x87);
            }
            assertThat(left[1]).as(operands[i]).isEqualTo(left[0]);
        }
    }

    private void registers() {
        int[] pointers = {Cpu.RBX, 13, 12, Cpu.RAX, Cpu.RSP, Cpu.RBP};
        for (int register : pointers) {
            cpu.r[register] = DATA + 0x100 + 16L * register;
        }
        cpu.r[Cpu.RDI] = 24;
        cpu.r[14] = 40;
        cpu.r[15] = 48;
        cpu.r[Cpu.RDX] = 0x99_0000_0000L | DATA;
        cpu.segBase[Seg.FS64] = 0x40;
        cpu.segBase[Seg.GS64] = 0x80;
        int[] selectors = {0x2B, 0x33, 0x3B, 0x43, 0x4B, 0x53};
        System.arraycopy(selectors, 0, cpu.selector, 0, 6);
    }
}
