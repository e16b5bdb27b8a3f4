// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Whatever is in a kernel file: it starts inside of the guest's RAM, or one line says why not. */
class HostileImagesTest {
    private static final int ROUNDS = 100_000;
    private static final long[] NASTY = {
        0,
        1,
        3,
        7,
        15,
        0x1FF,
        0xFFF,
        0x1000,
        0x9FC00,
        0xA0000,
        0xE0000,
        0xF0000,
        0xF_FFFF,
        0x10_0000,
        0x20_0000,
        0x3F_FFFF,
        0x40_0000,
        0x7FFF_FFFF,
        0x8000_0000L,
        0xBFFF_FFFFL,
        0xC000_0000L,
        0xFFFF_F000L,
        0xFFFF_FFFFL,
        1L << 32,
        Long.MAX_VALUE,
        Long.MIN_VALUE,
        -1,
        -2,
        -4096
    };

    /** What a line for the user never holds. */
    private static final List<String> BAD_TEXT = List.of("\n", "null", "-0x", "Exception");

    /** A kernel with the part of its file that its loader reads. */
    record Format(String name, Bytes image, int from, int size) {
        @Override
        public String toString() {
            return name;
        }
    }

    static List<Format> formats() {
        byte[] video = Images.multibootHeader(7, 0, 0, 0, 0, 0, 1, 0, 0, 0);
        byte[] plain = Images.multibootHeader(3);
        return List.of(
                format("bzImage", Images.bytes(Images.bzImage()), 0x1F0, 0xA0),
                format("PVH", Images.pvhKernel(), 0, 64 + 3 * 56),
                format("PVH note", Images.pvhKernel(), 0x1220, 0x60),
                format("Multiboot ELF32", Images.multibootElf(false, video), 0, 0x100),
                format("Multiboot ELF64", Images.multibootElf(true, plain), 0, 0x140),
                format("Multiboot addresses", Images.multibootFlat(), 0x20, 48));
    }

    private static Format format(String name, byte[] image, int from, int size) {
        return new Format(name, Bytes.of(image), from, size);
    }

    private final TestMachine machine = TestMachine.pc(4 * Images.MIB);
    private final BootArguments arguments =
            new BootArguments(
                    "a b c",
                    List.of(
                            Images.module("initrd", Images.pattern(5000, 3), "d e"),
                            Images.module("second", new byte[] {1, 2, 3}, "")));

    @ParameterizedTest
    @MethodSource("formats")
    void aMutatedImageStartsOrIsRefused(Format format) {
        SplittableRandom random = new SplittableRandom(format.name().hashCode());
        int started = 0;
        for (int round = 0; round < ROUNDS; round++) {
            byte[] image = mutate(format, random);
            if (boots(image, format.name(), round)) {
                started++;
            }
        }
        assertThat(started)
                .as("some mutations do no harm, most do")
                .isBetween(ROUNDS / 100, ROUNDS * 9 / 10);
    }

    @Test
    void randomBytesBehindEachMagicNumberStartOrAreRefused() {
        SplittableRandom random = new SplittableRandom(7);
        for (int round = 0; round < ROUNDS; round++) {
            byte[] image = new byte[random.nextInt(0x400)];
            random.nextBytes(image);
            ByteBuffer bytes = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
            switch (random.nextInt(3)) {
                case 0 -> {
                    if (image.length >= 0x206) {
                        bytes.putInt(0x202, 0x5372_6448);
                    }
                }
                case 1 -> {
                    if (image.length >= 64) {
                        bytes.putInt(0, 0x464C_457F)
                                .putShort(4, (short) (random.nextBoolean() ? 0x101 : 0x102));
                    }
                }
                default -> {
                    if (image.length >= 12) {
                        int at = random.nextInt((image.length - 12) / 4 + 1) * 4;
                        int flags = random.nextInt() & 0x1_0007;
                        bytes.putInt(at, 0x1BAD_B002)
                                .putInt(at + 4, flags)
                                .putInt(at + 8, -(0x1BAD_B002 + flags));
                    }
                }
            }
            boots(image, "random bytes", round);
        }
    }

    private static byte[] mutate(Format format, SplittableRandom random) {
        byte[] image = format.image.toArray();
        if (random.nextInt(20) == 0) {
            return Arrays.copyOf(image, random.nextInt(image.length + 1));
        }
        ByteBuffer bytes = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        int count = 1 + random.nextInt(3);
        for (int i = 0; i < count; i++) {
            int at = Math.min(format.from + random.nextInt(format.size), image.length - 8);
            long value =
                    random.nextInt(4) == 0
                            ? random.nextLong()
                            : NASTY[random.nextInt(NASTY.length)];
            switch (random.nextInt(5)) {
                case 0 -> bytes.put(at, (byte) value);
                case 1 -> bytes.put(at, (byte) (bytes.get(at) ^ 1 << random.nextInt(8)));
                case 2 -> bytes.putShort(at & ~1, (short) value);
                case 3 -> bytes.putInt(at & ~3, (int) value);
                default -> bytes.putLong(at & ~7, value);
            }
        }
        return image;
    }

    private boolean boots(byte[] image, String kind, int round) {
        try {
            CpuState state = machine.boot(KernelImage.of(Images.file("kernel", image)), arguments);
            long info = state.gprs().at(3) | state.gprs().at(6);
            if (!GuestRam.isRam(machine.memory(), state.rip(), 1)
                    || !machine.map().isRam(info, 64)) {
                fail(kind + " round " + round + ": starts outside of RAM: " + state);
            }
            return true;
        } catch (BootException e) {
            String message = String.valueOf(e.getMessage());
            if (!message.contains("kernel") || BAD_TEXT.stream().anyMatch(message::contains)) {
                fail(kind + " round " + round + ": " + message);
            }
            return false;
        } catch (RuntimeException e) {
            return fail(kind + " round " + round + ": " + e, e);
        }
    }
}
