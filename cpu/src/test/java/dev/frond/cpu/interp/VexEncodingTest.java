// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.Test;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** Which VEX encodings exist, and when they may execute. */
final class VexEncodingTest {
    private static final int CODE = 0x10000;
    private static final byte[] VADDPS = {(byte) 0xC5, (byte) 0xF0, 0x58, (byte) 0xC2};
    private static final byte[] ANDN = {(byte) 0xC4, (byte) 0xE2, 0x70, (byte) 0xF2, (byte) 0xC2};

    // --- against the host -----------------------------------------------------------------------

    @Test
    void in64BitModeEncodingsExistWhereTheHostHasThem() {
        againstHost(true);
    }

    @Test
    void inCompatibilityModeEncodingsExistWhereTheHostHasThem() {
        againstHost(false);
    }

    private static void againstHost(boolean code64) {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (IntegerRig rig = new IntegerRig()) {
            assumeThat(rig.features())
                    .containsAll(
                            CpuModel.X86_64_V3.features().stream()
                                    .filter(f ->
                                            f.name()
                                                    .matches(
                                                            "AVX2?|FMA|F16C|BMI[12]|AES|PCLMULQDQ"))
                                    .toList());
            assumeThat(code64 || rig.compatibility).as("32-bit code on the host").isTrue();
            rig.mode(code64);
            SplittableRandom random = new SplittableRandom(5);
            Map<String, String> failures = new TreeMap<>();
            int exist = 0;
            for (int map = 1; map <= 3; map++) {
                for (int opcode = 0; opcode < 256; opcode++) {
                    for (int bits = 0; bits < 64; bits++) {
                        byte[] code = code(map, opcode, bits, random);
                        boolean wide = (code[2] & 4) != 0;
                        // VPERMQ and VPERMPD with W0: Intel's manual has #UD, AMD's ignores W.
                        boolean permute = map == 3 && opcode < 2 && code[2] >= 0;
                        // VPEXTRD and VPINSRD with W1 outside 64-bit mode: Intel ignores W, AMD has
                        // #UD.
                        boolean element =
                                map == 3 && (opcode == 0x16 || opcode == 0x22) && code[2] < 0;
                        if (permute || element && !code64 || isOther(map, opcode, wide)) {
                            continue;
                        }
                        rig.load(code);
                        // All registers point into the window: memory operands are there.
                        Arrays.fill(rig.start.gprs, rig.window() + 0x80);
                        rig.run(false);
                        boolean host = rig.expected.fault != CpuFault.UD;
                        exist += host ? 1 : 0;
                        if (host == (rig.actual.fault == CpuFault.UD)) {
                            failures.put(
                                    HexFormat.of().formatHex(code),
                                    host ? "exists on the host" : "does not exist on the host");
                        }
                    }
                }
            }
            assertThat(exist).isGreaterThan(2000);
            assertThat(failures).isEmpty();
        }
    }

    /** VEX prefix, opcode, ModRM, and room for an immediate. */
    private static byte[] code(int map, int opcode, int bits, SplittableRandom random) {
        boolean register = (bits & 32) != 0;
        int vvvv = (bits & 16) != 0 ? 15 : random.nextInt(16) | 8;
        // No SIB byte, no displacement.
        int rm = new int[] {0, 1, 2, 3, 6, 7}[random.nextInt(6)];
        int modRm = (register ? 0xC0 : 0) | random.nextInt(8) << 3 | rm;
        int last = (bits & 1) << 7 | vvvv << 3 | (bits & 2) << 1 | bits >>> 2 & 3;
        byte nop = (byte) 0x90;
        byte[] head = {(byte) 0xC4, (byte) (0xE0 | map), (byte) last, (byte) opcode, (byte) modRm};
        byte[] code = Arrays.copyOf(head, 9);
        Arrays.fill(code, 5, 9, nop);
        return code;
    }

    /** Encodings of extensions that are not Frond's, which a host may have. */
    private static boolean isOther(int map, int opcode, boolean wide) {
        return switch (map) {
            // AVX-512's mask registers.
            case 1 ->
                    opcode >= 0x41 && opcode <= 0x4B
                            || opcode >= 0x90 && opcode <= 0x93
                            || opcode == 0x98
                            || opcode == 0x99;
            // VNNI, IFMA, NE-CONVERT, GFNI, SM3, SM4, SHA512, AMX, CMPccXADD, VAES.
            case 2 ->
                    opcode >= 0x49 && opcode <= 0x4B
                            || opcode >= 0x50
                                    && opcode <= 0x5E
                                    && opcode != 0x58
                                    && opcode != 0x59
                                    && opcode != 0x5A
                            || opcode == 0x6C
                            || opcode == 0x72
                            || Set.of(
                                            0xB0, 0xB1, 0xB4, 0xB5, 0xCB, 0xCC, 0xCD, 0xCF, 0xD2,
                                            0xD3, 0xDA)
                                    .contains(opcode)
                            || opcode >= 0xE0 && opcode <= 0xEF
                            || opcode >= 0xDC && opcode <= 0xDF && wide;
            // Mask registers, GFNI, SM3, VPCLMULQDQ.
            default ->
                    opcode >= 0x30 && opcode <= 0x33
                            || opcode == 0xCE
                            || opcode == 0xCF
                            || opcode == 0xDE
                            || opcode == 0x44 && wide
                            // FMA4 and XOP's neighbours of AMD.
                            || opcode >= 0x48 && opcode <= 0x49
                            || opcode >= 0x5C && opcode <= 0x7F && (opcode < 0x60 || opcode > 0x63);
        };
    }

    // --- gates ----------------------------------------------------------------------------------

    private static CpuHarness harness() {
        CpuHarness harness = new CpuHarness(CpuModel.X86_64_V3, 3);
        harness.map(CODE, 4096);
        return harness;
    }

    private static int fault(CpuHarness harness, byte... code) {
        harness.write(CODE, code);
        harness.cpu.rip = CODE;
        harness.cpu.segments.modeChanged();
        return harness.step();
    }

    @Test
    void avxNeedsTheYmmComponentInXcr0() {
        CpuHarness harness = harness();
        assertThat(fault(harness, VADDPS)).isEqualTo(CpuHarness.NO_FAULT);
        harness.cpu.xcr0 = 3;
        assertThat(fault(harness, VADDPS)).isEqualTo(CpuFault.UD);
        assertThat(fault(harness, ANDN)).isEqualTo(CpuHarness.NO_FAULT);
    }

    @Test
    void avxNeedsOsxsaveButNotOsfxsr() {
        CpuHarness harness = harness();
        harness.cpu.cr4 &= ~ControlRegisters.OSFXSR;
        assertThat(fault(harness, VADDPS)).isEqualTo(CpuHarness.NO_FAULT);
        harness.cpu.cr4 &= ~ControlRegisters.OSXSAVE;
        assertThat(fault(harness, VADDPS)).isEqualTo(CpuFault.UD);
        assertThat(fault(harness, ANDN)).isEqualTo(CpuHarness.NO_FAULT);
    }

    @Test
    void afterATaskSwitchAvxRaisesDeviceNotAvailable() {
        CpuHarness harness = harness();
        harness.cpu.cr0 |= ControlRegisters.TS;
        assertThat(fault(harness, VADDPS)).isEqualTo(CpuFault.NM);
        assertThat(fault(harness, ANDN)).isEqualTo(CpuHarness.NO_FAULT);
    }

    @Test
    void vexEncodingsDoNotExistInRealMode() {
        CpuHarness harness = harness();
        Cpu cpu = harness.cpu;
        cpu.efer = 0;
        cpu.cr0 = 0;
        harness.compatibilityMode();
        // Without paging, linear is physical: the code goes there.
        cpu.mmu.flush();
        cpu.ram.store(CODE, 8, 0xC2F2_70E2_C4L);
        cpu.ram.wrote(CODE, 8);
        cpu.rip = CODE;
        assertThat(harness.step()).isEqualTo(CpuFault.UD);
    }

    @Test
    void legacyPrefixesBeforeVexAreUndefined() {
        for (int prefix : new int[] {0x66, 0xF2, 0xF3, 0xF0, 0x40, 0x48}) {
            CpuHarness harness = harness();
            byte[] code = new byte[5];
            code[0] = (byte) prefix;
            System.arraycopy(VADDPS, 0, code, 1, 4);
            assertThat(fault(harness, code)).as("%x", prefix).isEqualTo(CpuFault.UD);
        }
        CpuHarness harness = harness();
        assertThat(fault(harness, (byte) 0x64, (byte) 0xC5, (byte) 0xF0, (byte) 0x58, (byte) 0xC2))
                .isEqualTo(CpuHarness.NO_FAULT);
    }

    @Test
    void withoutAvxAesHasNoVexEncoding() {
        CpuModel model =
                new CpuModel(
                        "aes",
                        "GenuineIntel",
                        6,
                        1,
                        1,
                        "AES",
                        Set.of(CpuFeature.SSE2, CpuFeature.XSAVE, CpuFeature.AES));
        CpuHarness harness = new CpuHarness(model, 3);
        harness.map(CODE, 4096);
        harness.cpu.xcr0 = 7;
        byte[] vaesenc = {(byte) 0xC4, (byte) 0xE2, 0x71, (byte) 0xDC, (byte) 0xC2};
        byte[] aesenc = {0x66, 0x0F, 0x38, (byte) 0xDC, (byte) 0xC2};
        assertThat(fault(harness, vaesenc)).isEqualTo(CpuFault.UD);
        assertThat(fault(harness, aesenc)).isEqualTo(CpuHarness.NO_FAULT);
    }

    // --- gathers and masked moves ---------------------------------------------------------------

    @Test
    void gathersWithOneRegisterInTwoRolesAreUndefined() {
        CpuHarness harness = harness();
        // VPGATHERDD XMM1,[RAX+XMM1],XMM2; XMM2 as destination; XMM3 as index and mask.
        int[][] registers = {{1, 1, 2}, {2, 1, 2}, {1, 3, 3}};
        for (int[] r : registers) {
            assertThat(
                            fault(
                                    harness,
                                    (byte) 0xC4,
                                    (byte) 0xE2,
                                    (byte) (0x79 ^ r[2] << 3),
                                    (byte) 0x90,
                                    (byte) (0x04 | r[0] << 3),
                                    (byte) (r[1] << 3)))
                    .isEqualTo(CpuFault.UD);
        }
    }

    @Test
    void aGatherThatFaultsKeepsTheElementsBefore() {
        CpuHarness harness = harness();
        Cpu cpu = harness.cpu;
        harness.write(CODE + 0x100, new byte[] {1, 2, 3, 4, 5, 6, 7, 8});
        cpu.r[Cpu.RAX] = CODE + 0x100;
        // XMM1 destination, XMM2 indices 0 and then far outside, XMM3 mask of all.
        Arrays.fill(cpu.v, 4, 8, 0x1111_1111_1111_1111L);
        cpu.v[8] = 0x4000_0000L << 32;
        Arrays.fill(cpu.v, 12, 14, -1L);
        byte[] gather = {(byte) 0xC4, (byte) 0xE2, 0x61, (byte) 0x90, 0x0C, 0x10};
        assertThat(fault(harness, gather)).isEqualTo(CpuFault.PF);
        assertThat(cpu.v[4]).isEqualTo(0x1111_1111_0403_0201L);
        assertThat(cpu.v[5]).isEqualTo(0x1111_1111_1111_1111L);
        assertThat(cpu.v[12]).isEqualTo(0xFFFF_FFFFL << 32);
        assertThat(cpu.v[13]).isEqualTo(-1L);
        assertThat(cpu.rip).isEqualTo(CODE);
    }

    @Test
    void elementsThatTheMaskLeavesOutDoNotFault() {
        CpuHarness harness = harness();
        Cpu cpu = harness.cpu;
        harness.write(CODE + 4092, new byte[] {1, 2, 3, 4});
        // The first element is the last doubleword of the page, the others are not mapped.
        cpu.r[Cpu.RAX] = CODE + 4092;
        cpu.v[8] = 0x8000_0000L;
        byte[] load = {(byte) 0xC4, (byte) 0xE2, 0x69, 0x2C, 0x08};
        assertThat(fault(harness, load)).isEqualTo(CpuHarness.NO_FAULT);
        assertThat(cpu.v[4]).isEqualTo(0x0403_0201L);
        assertThat(cpu.v[5]).isZero();
        cpu.v[4] = 0x0808_0707L;
        byte[] store = {(byte) 0xC4, (byte) 0xE2, 0x69, 0x2E, 0x08};
        assertThat(fault(harness, store)).isEqualTo(CpuHarness.NO_FAULT);
        assertThat(cpu.load32(CODE + 4092)).isEqualTo(0x0808_0707);
        cpu.v[9] = Long.MIN_VALUE;
        assertThat(fault(harness, load)).isEqualTo(CpuFault.PF);
        cpu.v[4] = 0;
        assertThat(fault(harness, store)).isEqualTo(CpuFault.PF);
        assertThat(cpu.load32(CODE + 4092)).isEqualTo(0x0808_0707);
    }
}
