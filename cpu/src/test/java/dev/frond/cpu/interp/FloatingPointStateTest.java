// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.FxImage;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Arrays;
import java.util.HexFormat;

/** When floating-point and vector instructions fault, what they leave then, and saved state. */
final class FloatingPointStateTest {
    private static final long CODE = 0x10000;
    private static final long DATA = 0x20000;
    private static final long END = DATA + 0x1000;

    private static final String ADDPS = "0f58c1";
    private static final String PADDB_MMX = "0ffcc1";
    private static final String FLD1 = "d9e8";
    private static final String FWAIT = "9b";
    private static final String FNSTSW_AX = "dfe0";
    private static final String FXSAVE = "0fae06";
    private static final String FXSAVE64 = "480fae06";
    private static final String FXRSTOR = "0fae0e";
    private static final String XSAVE = "0fae26";
    private static final String XRSTOR = "0fae2e";
    private static final String XSAVES = "0fc72e";
    private static final String XRSTORS = "0fc71e";
    private static final String WRMSR = "0f30";

    private final CpuHarness harness = new CpuHarness(CpuModel.X86_64_V3, 0);
    private final Cpu cpu = harness.cpu;

    @BeforeEach
    void begin() {
        harness.map(CODE, 4096);
        harness.map(DATA, 4096);
        cpu.x87.fninit();
        cpu.sse.mxcsr(0x1F80);
        cpu.r[Cpu.RSI] = DATA;
    }

    /** Executes one instruction and gives its fault. */
    private int run(String hex) {
        harness.write(CODE, HexFormat.of().parseHex(hex));
        cpu.rip = CODE;
        return harness.step();
    }

    private void completes(String... instructions) {
        for (String hex : instructions) {
            assertThat(run(hex)).as(hex).isEqualTo(CpuHarness.NO_FAULT);
        }
    }

    private void cr0(long set, long cleared) {
        ControlRegisters.writeCr0(cpu, cpu.cr0 & ~cleared | set);
    }

    private void cr4(long set, long cleared) {
        ControlRegisters.writeCr4(cpu, cpu.cr4 & ~cleared | set);
    }

    private byte[] data(int bytes) {
        byte[] data = new byte[bytes];
        harness.read(DATA, data);
        return data;
    }

    private byte[] fill(int bytes) {
        byte[] filled = new byte[bytes];
        Arrays.fill(filled, (byte) 0xA5);
        harness.write(DATA, filled);
        return filled;
    }

    private static long word(byte[] image, int at) {
        return FxImage.load64(image, at) & 0xFFFF;
    }

    // --- whether they may execute ---------------------------------------------------------------

    @Test
    void emulationMakesVectorsUndefinedAndX87NotAvailable() {
        cr0(ControlRegisters.EM, 0);
        assertThat(run(ADDPS)).isEqualTo(CpuFault.UD);
        assertThat(run(PADDB_MMX)).isEqualTo(CpuFault.UD);
        assertThat(run(FXSAVE)).isEqualTo(CpuFault.UD);
        assertThat(run(FLD1)).isEqualTo(CpuFault.NM);
        completes(FWAIT);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                ADDPS, PADDB_MMX, FLD1, FWAIT, FNSTSW_AX, FXSAVE, FXRSTOR, XSAVE, XRSTOR, "0f77",
                "0fae16"
            })
    void aSwitchedTaskHasNoFloatingPointYet(String instruction) {
        cr0(ControlRegisters.TS | ControlRegisters.MP, 0);
        assertThat(run(instruction)).isEqualTo(CpuFault.NM);
        completes("0f06");
        assertThat(run(instruction)).isEqualTo(CpuHarness.NO_FAULT);
    }

    @Test
    void waitHeedsTheSwitchedTaskOnlyWithMp() {
        cr0(ControlRegisters.TS, ControlRegisters.MP);
        completes(FWAIT);
    }

    @Test
    void withoutOsfxsrThereIsNoSseButMmx() {
        cr4(0, ControlRegisters.OSFXSR);
        assertThat(run(ADDPS)).isEqualTo(CpuFault.UD);
        assertThat(run("0fae16")).isEqualTo(CpuFault.UD);
        completes(PADDB_MMX, FXSAVE);
    }

    @Test
    void nonTemporalStoresOfGeneralRegistersAskForNothing() {
        cr4(0, ControlRegisters.OSFXSR);
        cr0(ControlRegisters.TS | ControlRegisters.EM, 0);
        cpu.r[Cpu.RAX] = 0x1122_3344_5566_7788L;
        completes("480fc306");
        assertThat(FxImage.load64(data(8), 0)).isEqualTo(0x1122_3344_5566_7788L);
    }

    @Test
    void withoutOsxsaveXsaveIsUndefined() {
        cr4(0, ControlRegisters.OSXSAVE);
        assertThat(run(XSAVE)).isEqualTo(CpuFault.UD);
        assertThat(run(XRSTOR)).isEqualTo(CpuFault.UD);
    }

    // --- exceptions of arithmetic
    // -----------------------------------------------------------------

    @Test
    void anUnmaskedSimdExceptionLeavesTheDestination() {
        long one = Double.doubleToRawLongBits(1);
        cpu.v[0] = one;
        cpu.v[4] = 0;
        cpu.sse.mxcsr(0x1F80 & ~0x200);
        assertThat(run("f20f5ec1")).isEqualTo(CpuFault.XM);
        assertThat(cpu.v[0]).isEqualTo(one);
        assertThat(cpu.sse.mxcsr()).isEqualTo(0x1D84);
        assertThat(cpu.rip).isEqualTo(CODE);
        cr4(0, ControlRegisters.OSXMMEXCPT);
        assertThat(run("f20f5ec1")).isEqualTo(CpuFault.UD);
    }

    @Test
    void aComparisonThatFaultsLeavesTheFlags() {
        cpu.v[0] = 0x7FF0_0000_0000_0001L;
        cpu.sse.mxcsr(0x1F00);
        cpu.setStatusFlags(Cpu.SF | Cpu.OF);
        assertThat(run("660f2ec1")).isEqualTo(CpuFault.XM);
        assertThat(cpu.statusFlags()).isEqualTo(Cpu.SF | Cpu.OF);
    }

    @ParameterizedTest
    @ValueSource(strings = {FLD1, FWAIT, PADDB_MMX, "0f77", "d9d0", "d926", "d92e"})
    void aPendingX87ExceptionStopsTheNextInstructionThatWaits(String instruction) {
        divideByZero();
        assertThat(run(instruction)).isEqualTo(CpuFault.MF);
        completes("dbe2");
        assertThat(run(instruction)).isEqualTo(CpuHarness.NO_FAULT);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                FNSTSW_AX, "d93e", "d936", "dd36", "dbe3", "dbe2", FXSAVE, FXRSTOR, XSAVE, ADDPS
            })
    void aPendingX87ExceptionDoesNotStopWhatDoesNotWait(String instruction) {
        divideByZero();
        completes(instruction);
    }

    /** 1 / 0 with the exception unmasked: FLD1, FLDZ, FDIVP. */
    private void divideByZero() {
        cpu.x87.controlWord(0x37B);
        completes(FLD1, "d9ee", "def9");
        assertThat(cpu.x87.pendingException()).isTrue();
    }

    // --- faults of memory come first
    // ----------------------------------------------------------------

    @Test
    void aStoreThatFaultsLeavesTheStack() {
        completes(FLD1);
        cpu.r[Cpu.RSI] = END - 4;
        assertThat(run("dd1e")).isEqualTo(CpuFault.PF);
        assertThat(cpu.cr2).isEqualTo(END);
        assertThat(cpu.x87.top()).isEqualTo(7);
        assertThat(cpu.x87.empty(0)).isFalse();
        cpu.r[Cpu.RSI] = DATA;
        completes("dd1e");
        assertThat(cpu.x87.top()).isZero();
    }

    @Test
    void aLoadThatFaultsLeavesTheLastInstruction() {
        completes(FLD1);
        long pointer = cpu.x87.instructionPointer();
        cpu.r[Cpu.RSI] = END;
        assertThat(run("d906")).isEqualTo(CpuFault.PF);
        assertThat(cpu.x87.opcode()).isEqualTo(0x1E8);
        assertThat(cpu.x87.instructionPointer()).isEqualTo(pointer);
    }

    @ParameterizedTest
    @CsvSource({
        "0f1106, 8",
        "f30f7f06, 15",
        "66480f7e06, 4",
        "0f7f06, 4",
        "dd36, 50",
        "db3e, 9",
        "d936, 20"
    })
    void aStoreAcrossTheEndOfMemoryWritesNothing(String instruction, int before) {
        Arrays.fill(cpu.v, -1);
        byte[] filled = fill(4096);
        cpu.r[Cpu.RSI] = END - before;
        assertThat(run(instruction)).isEqualTo(CpuFault.PF);
        assertThat(cpu.cr2).isEqualTo(END);
        assertThat(data(4096)).isEqualTo(filled);
    }

    @Test
    void aMaskThatSelectsNothingTouchesNoMemory() {
        cpu.r[Cpu.RDI] = END;
        completes("660ff7c1");
        cpu.v[4] = 0x80;
        assertThat(run("660ff7c1")).isEqualTo(CpuFault.PF);
    }

    // --- saved state
    // ------------------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(strings = {FXSAVE, FXRSTOR, "0f2806", "0f5806", "660fe706", "660f383906"})
    void misalignedOperandsAreProtectionFaults(String instruction) {
        cpu.r[Cpu.RSI] = DATA + 8;
        assertThat(run(instruction)).isEqualTo(CpuFault.GP);
    }

    @ParameterizedTest
    @ValueSource(strings = {XSAVE, XRSTOR})
    void xsaveAreasAreAlignedTo64(String instruction) {
        cpu.r[Cpu.RSI] = DATA + 32;
        assertThat(run(instruction)).isEqualTo(CpuFault.GP);
    }

    @Test
    void fxsaveKeepsTheLastInstructionAndItsOperand() {
        cpu.r[Cpu.RBX] = DATA + 0x100;
        completes("d903", FXSAVE64);
        byte[] image = data(512);
        assertThat(word(image, 6)).isEqualTo(0x103);
        assertThat(FxImage.load64(image, 8)).isEqualTo(CODE);
        assertThat(FxImage.load64(image, 16)).isEqualTo(DATA + 0x100);
        completes(FXSAVE);
        image = data(512);
        assertThat(FxImage.load64(image, 8)).isEqualTo(0x33L << 32 | CODE);
        assertThat(FxImage.load64(image, 16)).isEqualTo(0x2BL << 32 | DATA + 0x100);
    }

    @Test
    void theEnvironmentHasFourLayouts() {
        cpu.r[Cpu.RBX] = DATA + 0x100;
        completes("d903", "d936");
        byte[] image = data(28);
        assertThat((int) FxImage.load64(image, 12)).isEqualTo((int) CODE);
        assertThat((int) FxImage.load64(image, 16)).isEqualTo(0x103 << 16 | 0x33);
        assertThat((int) FxImage.load64(image, 20)).isEqualTo((int) DATA + 0x100);
        fill(28);
        completes("66d936");
        image = data(28);
        assertThat(word(image, 6)).as("the low 16 bits of CODE").isZero();
        assertThat(word(image, 8)).isEqualTo(0x33);
        assertThat(word(image, 10)).isEqualTo(0x100);
        assertThat(word(image, 12)).isEqualTo(0x2B);
        assertThat(word(image, 14)).isEqualTo(0xA5A5);
    }

    @Test
    void compatibilityModeSavesEightRegisters() {
        Arrays.fill(cpu.v, 0x1111_1111_1111_1111L);
        harness.compatibilityMode();
        byte[] filled = fill(512);
        completes(FXSAVE);
        byte[] image = data(512);
        assertThat(FxImage.load64(image, FxImage.XMM + 7 * 16)).isEqualTo(0x1111_1111_1111_1111L);
        assertThat(image).endsWith(Arrays.copyOfRange(filled, FxImage.XMM + 8 * 16, 512));
        harness.write(DATA + FxImage.XMM, new byte[256]);
        completes(FXRSTOR);
        assertThat(cpu.v[4 * 7]).isZero();
        assertThat(cpu.v[4 * 8]).isEqualTo(0x1111_1111_1111_1111L);
    }

    @Test
    void reservedBitsOfMxcsrAreProtectionFaults() {
        completes(FXSAVE);
        harness.write(DATA + FxImage.MXCSR, new byte[] {0, 0, 1, 0});
        Arrays.fill(cpu.v, 7);
        assertThat(run(FXRSTOR)).isEqualTo(CpuFault.GP);
        assertThat(cpu.v[0]).isEqualTo(7);
        cpu.r[Cpu.RSI] = DATA + FxImage.MXCSR;
        assertThat(run("0fae16")).isEqualTo(CpuFault.GP);
    }

    @Test
    void xsaveoptLeavesOutWhatIsInItsInitialState() {
        Arrays.fill(cpu.v, 0);
        cpu.v[2] = 5;
        cpu.x87.initialize();
        cpu.r[Cpu.RAX] = 7;
        cpu.r[Cpu.RDX] = 0;
        byte[] filled = fill(1024);
        harness.write(DATA + 512, new byte[64]);
        completes("0fae36");
        byte[] image = data(1024);
        assertThat(FxImage.load64(image, 512)).isEqualTo(4);
        assertThat(FxImage.load64(image, 576)).isEqualTo(5);
        assertThat(Arrays.copyOf(image, FxImage.MXCSR))
                .isEqualTo(Arrays.copyOf(filled, FxImage.MXCSR));
        cpu.v[0] = 1;
        cpu.v[2] = 1;
        completes(XRSTOR);
        assertThat(cpu.v[0]).isZero();
        assertThat(cpu.v[2]).isEqualTo(5);
        assertThat(cpu.x87.isInitial()).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"519, 128", "512, 8", "520, 1", "527, 128", "535, 1"})
    void headersThatXrstorDoesNotKnowAreProtectionFaults(int at, int value) {
        cpu.r[Cpu.RAX] = 7;
        cpu.r[Cpu.RDX] = 0;
        harness.write(DATA + 512, new byte[64]);
        // A component in use, which the compacted format has to list.
        cpu.v[0] = 1;
        completes(XSAVE, XRSTOR);
        harness.write(DATA + at, new byte[] {(byte) value});
        assertThat(run(XRSTOR)).isEqualTo(CpuFault.GP);
    }

    @Test
    void xsavesAndXrstorsUseTheCompactedFormat() {
        cpu.r[Cpu.RAX] = -1;
        cpu.r[Cpu.RDX] = -1;
        cpu.v[6] = 8;
        cpu.sse.mxcsr(0x1FA0);
        byte[] filled = fill(1024);
        harness.write(DATA + 512, new byte[64]);
        completes(XSAVES);
        byte[] image = data(1024);
        assertThat(FxImage.load64(image, 512)).isEqualTo(6);
        assertThat(FxImage.load64(image, 520)).isEqualTo(1L << 63 | 7);
        assertThat(FxImage.load64(image, 576 + 16)).isEqualTo(8);
        assertThat(image).startsWith(Arrays.copyOf(filled, FxImage.MXCSR));
        cpu.v[6] = 1;
        cpu.sse.mxcsr(0x1F80);
        completes(XRSTORS);
        assertThat(cpu.v[6]).isEqualTo(8);
        assertThat(cpu.sse.mxcsr()).isEqualTo(0x1FA0);
        harness.write(DATA + 512, new byte[64]);
        assertThat(run(XRSTORS)).as("standard format").isEqualTo(CpuFault.GP);
        harness.write(DATA + 527, new byte[] {(byte) 0x80});
        completes(XRSTORS);
        assertThat(cpu.v[6]).as("initial where the area has no component").isZero();
        assertThat(cpu.sse.mxcsr()).isEqualTo(0x1F80);
    }

    @ParameterizedTest
    @ValueSource(strings = {XSAVES, XRSTORS})
    void supervisorStateIsForPrivilegeLevelZero(String instruction) {
        cpu.segments.setCpl(3);
        assertThat(run(instruction)).isEqualTo(CpuFault.GP);
    }

    @Test
    void xssHasNoComponents() {
        cpu.r[Cpu.RCX] = 0xDA0;
        cpu.r[Cpu.RAX] = 0;
        cpu.r[Cpu.RDX] = 0;
        completes(WRMSR, "0f32");
        cpu.r[Cpu.RAX] = 0x100;
        assertThat(run(WRMSR)).isEqualTo(CpuFault.GP);
    }

    /** SGDT, SIDT, SLDT, STR, SMSW. */
    @ParameterizedTest
    @ValueSource(strings = {"0f0106", "0f010e", "0f00c0", "0f00c8", "0f01e0"})
    void withUmipTheSystemsTablesAreHiddenFromPrograms(String instruction) {
        completes(instruction);
        cpu.segments.setCpl(3);
        completes(instruction);
        cpu.cr4 |= ControlRegisters.UMIP;
        assertThat(run(instruction)).isEqualTo(CpuFault.GP);
        cpu.segments.setCpl(0);
        completes(instruction);
    }

    @Test
    void componentsThatXcr0LacksAreNotTouched() {
        cpu.xcr0 = 3;
        cpu.r[Cpu.RAX] = -1;
        cpu.r[Cpu.RDX] = -1;
        cpu.v[2] = 9;
        byte[] filled = fill(1024);
        harness.write(DATA + 512, new byte[64]);
        completes(XSAVE);
        byte[] image = data(1024);
        assertThat(FxImage.load64(image, 512) & 4).isZero();
        assertThat(image).endsWith(Arrays.copyOfRange(filled, 576, 1024));
    }

    @Test
    void legacyInstructionsLeaveTheUpperHalves() {
        cpu.v[2] = 3;
        cpu.v[3] = 4;
        completes(ADDPS, "0f28c1", "f30f1006", "660f6ec0");
        assertThat(cpu.v[2]).isEqualTo(3);
        assertThat(cpu.v[3]).isEqualTo(4);
    }
}
