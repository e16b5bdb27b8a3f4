// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.fpu.X87Image.Layout;

import org.junit.jupiter.api.Test;

import java.util.HexFormat;

/** The images of FNSTENV, FNSAVE and FXSAVE byte by byte, and their way back. */
class X87ImageTest {
    private final X87 f = new X87();

    X87ImageTest() {
        f.fninit();
        f.fild(1);
        f.fild(0);
        X87Compare.ficom(f, 1, 0);
        f.instruction(0x0001_2345_6789L, 0x0008, 0x5D9);
        f.operand(0x0002_ABCD_EF01L, 0x0010);
    }

    private String environment(Layout layout) {
        byte[] image = new byte[layout.environmentBytes() + 3];
        X87Image.storeEnvironment(f, layout, image, 3);
        return HexFormat.of().formatHex(image, 3, image.length);
    }

    @Test
    void protectedModeKeepsSelectors() {
        assertThat(environment(Layout.PROTECTED_32))
                .isEqualTo("7f03ffff0031ffffff1fffff896745230800d905" + "01efcdab1000ffff");
        assertThat(environment(Layout.PROTECTED_16)).isEqualTo("7f030031ff1f8967080001ef1000");
    }

    @Test
    void realModeKeepsLinearAddresses() {
        f.instruction(0x5678, 0x1234, 0x5D9);
        f.operand(0x0010, 0xF000);
        // 0x179B8 and 0xF0010.
        assertThat(environment(Layout.REAL_16)).isEqualTo("7f030031ff1fb879d915100000f0");
        assertThat(environment(Layout.REAL_32))
                .isEqualTo("7f03ffff0031ffffff1fffffb879ffffd9150000" + "1000ffff00f00000");
    }

    @Test
    void everyLayoutRestoresWhatItHolds() {
        Operands operands = new Operands(21);
        for (Layout layout : Layout.values()) {
            for (int k = 0; k < 500; k++) {
                byte[] image = new byte[layout.stateBytes()];
                for (int n = 0; n < image.length; n++) {
                    image[n] = (byte) operands.below(256);
                }
                X87Image.load(f, layout, image, 0);
                byte[] first = new byte[layout.stateBytes()];
                X87Image.store(f, layout, first, 0);
                X87 other = new X87();
                X87Image.load(other, layout, first, 0);
                byte[] second = new byte[layout.stateBytes()];
                X87Image.store(other, layout, second, 0);
                assertThat(second).isEqualTo(first);
                assertThat(first)
                        .as("registers")
                        .endsWith(
                                java.util.Arrays.copyOfRange(
                                        image, image.length - 80, image.length));
            }
        }
    }

    @Test
    void savedRegistersFollowTheEnvironmentInStackOrder() {
        byte[] image = new byte[Layout.PROTECTED_32.stateBytes()];
        X87Image.store(f, Layout.PROTECTED_32, image, 0);
        assertThat(HexFormat.of().formatHex(image, 28, 48))
                .isEqualTo("00000000000000000000" + "0000000000000080ff3f");
    }

    @Test
    void loadedEmptyRegistersStayEmpty() {
        f.instruction(0xFFFF_FFF0L, 0x0008, 0x5D9);
        f.operand(0x8000_0000L, 0x0010);
        byte[] image = new byte[Layout.PROTECTED_32.stateBytes()];
        X87Image.store(f, Layout.PROTECTED_32, image, 0);
        X87 other = new X87();
        X87Image.load(other, Layout.PROTECTED_32, image, 0);
        assertThat(X87Image.save(other)).isEqualTo(X87Image.save(f));
    }

    @Test
    void anUnmaskedFlagInALoadedEnvironmentIsPending() {
        byte[] image = new byte[14];
        f.fninit();
        f.controlWord(0x037F & ~FpFlags.ZE);
        X87Image.storeEnvironment(f, Layout.PROTECTED_16, image, 0);
        image[2] |= FpFlags.ZE;
        X87Image.loadEnvironment(f, Layout.PROTECTED_16, image, 0);
        assertThat(f.pendingException()).isTrue();
        f.maskAll();
        assertThat(f.pendingException()).isFalse();
        assertThat(f.controlWord()).isEqualTo(0x037F);
    }

    @Test
    void fxsaveKeepsAbridgedTagsAndLeavesSseAlone() {
        byte[] image = new byte[X87Image.FXSAVE_BYTES];
        java.util.Arrays.fill(image, (byte) 0xEE);
        X87Image.fxsave(f, false, image, 0);
        assertThat(HexFormat.of().formatHex(image, 0, 32))
                .isEqualTo(
                        "7f030031c000d905"
                                + "8967452308000000"
                                + "01efcdab10000000"
                                + "eeeeeeeeeeeeeeee");
        assertThat(HexFormat.of().formatHex(image, 48, 64))
                .isEqualTo("0000000000000080ff3f000000000000");
        assertThat(image[160]).isEqualTo((byte) 0xEE);
        X87 other = new X87();
        X87Image.fxrstor(other, false, image, 0);
        byte[] again = new byte[X87Image.FXSAVE_BYTES];
        java.util.Arrays.fill(again, (byte) 0xEE);
        X87Image.fxsave(other, false, again, 0);
        assertThat(again).isEqualTo(image);
    }

    @Test
    void fxsave64KeepsWholePointers() {
        byte[] image = new byte[X87Image.FXSAVE_BYTES];
        X87Image.fxsave(f, true, image, 0);
        assertThat(HexFormat.of().formatHex(image, 8, 24))
                .isEqualTo("8967452301000000" + "01efcdab02000000");
        X87 other = new X87();
        X87Image.fxrstor(other, true, image, 0);
        assertThat(other.instructionPointer()).isEqualTo(0x0001_2345_6789L);
        assertThat(other.dataPointer()).isEqualTo(0x0002_ABCD_EF01L);
        assertThat(other.codeSelector()).isZero();
    }

    @Test
    void anyFxrstorImageIsAccepted() {
        Operands operands = new Operands(22);
        for (int k = 0; k < 1000; k++) {
            byte[] image = new byte[X87Image.FXSAVE_BYTES];
            for (int n = 0; n < 160; n++) {
                image[n] = (byte) operands.below(256);
            }
            X87Image.fxrstor(f, (k & 1) == 0, image, 0);
            byte[] first = new byte[X87Image.FXSAVE_BYTES];
            X87Image.fxsave(f, (k & 1) == 0, first, 0);
            X87Image.fxrstor(f, (k & 1) == 0, first, 0);
            byte[] second = new byte[X87Image.FXSAVE_BYTES];
            X87Image.fxsave(f, (k & 1) == 0, second, 0);
            assertThat(second).isEqualTo(first);
        }
    }
}
