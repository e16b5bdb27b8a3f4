// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Map;
import java.util.stream.Collectors;

final class MachineTextTest {
    @TempDir Path directory;

    @Test
    void bytesAndLabelsAreReadFromTheText() {
        MachineText text =
                MachineText.of(
                        """
                                   | DATA equ $$ + 0x1000
                                   | start:
                        90         |     nop
                                   |     ; why
                                   | end:
                        C3         |     ret ; a comment
                        """);
        assertThat(text.code()).isEqualTo(new byte[] {(byte) 0x90, (byte) 0xC3});
        assertThat(text.offset("DATA")).isEqualTo(0x1000);
        assertThat(text.offset("start")).isZero();
        assertThat(text.offset("end")).isEqualTo(1);
        assertThatThrownBy(() -> text.offset("nowhere"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("nowhere");
    }

    @Test
    void anAssemblerConfirmsTheBytesOfAllMachineCode() throws Exception {
        assumeThat(isInstalled("nasm")).as("the package nasm").isTrue();
        Map<String, String> texts =
                Map.of(
                        "NativeCode", NativeCode.CODE_TEXT,
                        "FaultHandler", FaultHandler.CODE_TEXT,
                        "HostCpu", HostCpu.CODE_TEXT);
        for (Map.Entry<String, String> text : texts.entrySet()) {
            assertThat(HexFormat.of().formatHex(MachineText.of(text.getValue()).code()))
                    .as(text.getKey())
                    .isEqualTo(HexFormat.of().formatHex(assemble(text.getValue())));
        }
    }

    private byte[] assemble(String text) throws Exception {
        String source =
                text.lines()
                        .map(line -> line.substring(line.indexOf('|') + 1))
                        .collect(Collectors.joining("\n", "BITS 64\n", "\n"));
        Path input = Files.writeString(directory.resolve("code.asm"), source);
        Path output = directory.resolve("code.bin");
        Process nasm =
                new ProcessBuilder("nasm", "-f", "bin", "-o", output.toString(), input.toString())
                        .inheritIO()
                        .start();
        assertThat(nasm.waitFor()).isZero();
        return Files.readAllBytes(output);
    }

    private static boolean isInstalled(String program) throws InterruptedException {
        try {
            return new ProcessBuilder(program, "-v")
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (java.io.IOException absent) {
            return false;
        }
    }
}
