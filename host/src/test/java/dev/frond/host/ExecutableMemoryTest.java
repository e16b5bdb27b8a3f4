// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.frond.host.ExecutableMemory.Method;
import dev.frond.host.ExecutableMemory.Placement;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

final class ExecutableMemoryTest {
    private static final long PAGE = 4096;

    @BeforeEach
    void supported() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void codeThatIsWrittenRunsAndReachesItsData(Method method) {
        try (ExecutableMemory memory =
                ExecutableMemory.allocate(2 * PAGE, PAGE, Placement.ANYWHERE, method)) {
            memory.data().set(JAVA_LONG, 8, 1000);
            // At PAGE: lea rax, [rdi + rsi]; add rax, [rip + d] (data + 8); mov [rip + d], rax
            // (data); ret
            write(memory, PAGE, 0x48, 0x8D, 0x04, 0x37);
            write(memory, PAGE + 4, 0x48, 0x03, 0x05, 0xFD, 0x0F, 0x00, 0x00);
            write(memory, PAGE + 11, 0x48, 0x89, 0x05, 0xEE, 0x0F, 0x00, 0x00, 0xC3);
            NativeFunction function = NativeFunction.at(memory.address() + PAGE);
            assertThat(function.call(30, 4)).isEqualTo(1034);
            assertThat(memory.data().get(JAVA_LONG, 0)).isEqualTo(1034);
        }
    }

    @ParameterizedTest
    @EnumSource
    void codeCanBeRewritten(Method method) {
        try (ExecutableMemory memory = ExecutableMemory.allocate(PAGE, 0, Placement.LOW, method)) {
            assertThat(memory.address() + PAGE).isLessThan(1L << 31);
            NativeFunction function = NativeFunction.at(memory.address());
            for (int i = 0; i < 256; i++) {
                write(memory, 0, 0xB8, i, 0, 0, 0, 0xC3); // mov eax, i; ret
                assertThat(function.call(0, 0)).isEqualTo(i);
            }
        }
    }

    @Test
    void twoMappingsAreNeverWritableAndExecutableAtOnce() throws IOException {
        try (ExecutableMemory memory =
                ExecutableMemory.allocate(PAGE, PAGE, Placement.ANYWHERE, Method.TWO_MAPPINGS)) {
            assertThat(memory.code().address()).isNotEqualTo(memory.address());
            assertThat(rights(memory.address())).isEqualTo("r-xs");
            assertThat(rights(memory.code().address())).isEqualTo("rw-s");
            assertThat(rights(memory.data().address())).isEqualTo("rw-p");
        }
    }

    @ParameterizedTest
    @EnumSource
    void inaccessiblePagesSurroundTheMemoryAndCloseRemovesEverything(Method method)
            throws IOException {
        ExecutableMemory memory = ExecutableMemory.allocate(PAGE, PAGE, Placement.ANYWHERE, method);
        assertThat(rights(memory.address() - 1)).isEqualTo("---p");
        assertThat(rights(memory.data().address() + PAGE)).isEqualTo("---p");
        List<Long> addresses =
                List.of(memory.address(), memory.code().address(), memory.data().address());
        memory.close();
        memory.close();
        for (long address : addresses) {
            assertThat(rights(address)).isEqualTo("unmapped");
        }
        assertThatThrownBy(() -> memory.code().get(JAVA_BYTE, 0))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void sizesAreWholePages() {
        assertThatThrownBy(() -> ExecutableMemory.allocate(100, 0, Placement.LOW).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("code size 100");
        assertThatThrownBy(() -> ExecutableMemory.allocate(0, 0, Placement.LOW).close())
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ExecutableMemory.allocate(PAGE, -PAGE, Placement.LOW).close())
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void moreThanThereIsBelow2GibibytesIsRefusedWithItsSize() {
        assertThatThrownBy(() -> ExecutableMemory.allocate(4L << 30, 0, Placement.LOW).close())
                .isInstanceOf(HostException.class)
                .hasMessageContaining("below 2 GiB: ENOMEM");
    }

    @Test
    void lowMemoryIsFoundBesideWhateverIsThere() {
        long first = Mapping.mapLowByTrying(PAGE, Mapping.PROT_NONE);
        long second = Mapping.mapLowByTrying(PAGE, Mapping.PROT_NONE);
        try {
            assertThat(first).isBetween(1L << 16, (1L << 31) - PAGE);
            assertThat(second).isBetween(1L << 16, (1L << 31) - PAGE).isNotEqualTo(first);
        } finally {
            Mapping.unmap(first, PAGE);
            Mapping.unmap(second, PAGE);
        }
    }

    @Test
    void thisHostPermitsExecutableMemory() {
        assertThat(ExecutableMemory.isPermitted()).isTrue();
    }

    @Test
    void fixedMemoryIsWhereItWasAskedForAndNowhereElse() {
        long address = 0x30_0000;
        try (FixedMemory memory = FixedMemory.at(address, 4 * PAGE)) {
            assertThat(memory.address()).isEqualTo(address);
            memory.segment().set(JAVA_LONG_UNALIGNED, 4 * PAGE - 8, 77);
            assertThatThrownBy(() -> FixedMemory.at(address + PAGE, PAGE).close())
                    .isInstanceOf(HostException.class)
                    .hasMessage("mmap of 4096 bytes (4 KiB) at 0x301000: EEXIST (File exists)");
            assertThat(memory.segment().get(JAVA_LONG_UNALIGNED, 4 * PAGE - 8)).isEqualTo(77);
        }
        FixedMemory.at(address, PAGE).close();
    }

    @Test
    void fixedMemoryRefusesOddAddressesAndSizes() {
        assertThatThrownBy(() -> FixedMemory.at(0x30_0001, PAGE).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("address 0x300001");
        assertThatThrownBy(() -> FixedMemory.low(0).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("size 0x0");
        try (FixedMemory memory = FixedMemory.low(PAGE)) {
            assertThat(memory.address() + PAGE).isLessThan(1L << 31);
            assertThatThrownBy(() -> memory.protect(PAGE, PAGE, FixedMemory.Access.NONE))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void closedFixedMemoryCannotBeProtected() {
        FixedMemory memory = FixedMemory.low(PAGE);
        memory.close();
        memory.close();
        assertThatThrownBy(() -> memory.protect(0, PAGE, FixedMemory.Access.NONE))
                .isInstanceOf(IllegalStateException.class);
    }

    private static void write(ExecutableMemory memory, long at, int... bytes) {
        for (int i = 0; i < bytes.length; i++) {
            memory.code().set(JAVA_BYTE, at + i, (byte) bytes[i]);
        }
    }

    /** The access rights that the kernel lists for an address (proc(5), maps). */
    private static String rights(long address) throws IOException {
        for (String line :
                Files.readAllLines(Path.of("/proc/self/maps"), StandardCharsets.ISO_8859_1)) {
            int dash = line.indexOf('-');
            int space = line.indexOf(' ');
            long start = Long.parseUnsignedLong(line, 0, dash, 16);
            long end = Long.parseUnsignedLong(line, dash + 1, space, 16);
            if (Long.compareUnsigned(start, address) <= 0
                    && Long.compareUnsigned(address, end) < 0) {
                return line.substring(space + 1, space + 5);
            }
        }
        return "unmapped";
    }
}
