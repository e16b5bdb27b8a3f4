// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

final class FaultHandlerTest {
    /** Faults with RBX pointing to its record, and returns 77 if the fault is taken. */
    private static final MachineText CODE =
            MachineText.of(
                    """
                    53              | push rbx
                    4889FB          | mov rbx, rdi
                    48C7C1FEFFFFFF  | mov rcx, -2
                                    | fault:
                    0F0B            | ud2
                    CC              | int3
                                    | landing:
                    B84D000000      | mov eax, 77
                    5B              | pop rbx
                    C3              | ret
                    """);

    /** Where the record lies behind the address that the code takes. */
    private static final long RECORD = 0x40;

    @TempDir Path directory;

    @BeforeEach
    void supported() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    @Test
    void aFaultInRegisteredCodeIsRecordedAndLandsWithAllOtherRegisters() {
        try (ExecutableMemory memory =
                        ExecutableMemory.allocate(4096, 4096, ExecutableMemory.Placement.ANYWHERE);
                FaultHandler.Registration _ = register(memory)) {
            long record = memory.data().address() + 0x100;
            for (int i = 0; i < 1000; i++) {
                assertThat(NativeFunction.at(memory.address()).call(record - RECORD, 0))
                        .isEqualTo(77);
            }
            MemorySegment fault = memory.data().asSlice(0x100, FaultHandler.RECORD_SIZE);
            assertThat(fault.get(JAVA_LONG, FaultHandler.GPR + 8)).isEqualTo(-2);
            assertThat(fault.get(JAVA_LONG, FaultHandler.GPR + 24)).isEqualTo(record - RECORD);
            assertThat(fault.get(JAVA_LONG, FaultHandler.RIP))
                    .isEqualTo(memory.address() + CODE.offset("fault"));
            assertThat(fault.get(JAVA_INT, FaultHandler.SIGNAL)).isEqualTo(4);
            assertThat(fault.get(JAVA_LONG, FaultHandler.TRAPNO)).isEqualTo(6);
            assertThat(fault.get(JAVA_INT, FaultHandler.CSGSFS) & 0xFFFF).isEqualTo(0x33);
        }
    }

    @Test
    void aRegistrationThatIsClosedTwiceLeavesItsSuccessorAlone() {
        try (ExecutableMemory memory =
                ExecutableMemory.allocate(4096, 4096, ExecutableMemory.Placement.ANYWHERE)) {
            FaultHandler.Registration first = register(memory);
            first.close();
            try (FaultHandler.Registration _ = register(memory)) {
                first.close();
                long address = memory.data().address();
                assertThat(NativeFunction.at(memory.address()).call(address, 0)).isEqualTo(77);
            }
        }
    }

    @Test
    void aFaultOfUnknownCodeStillReachesHotSpot() throws Exception {
        Process program = run("unknown");
        String output = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(program.waitFor()).as(output).isNotZero();
        assertThat(output).contains("trapNumber=6").contains("SIGILL").contains("fatal error");
        assertThat(output).doesNotContain("survived");
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .anyMatch(name -> name.startsWith("hs_err"));
        }
    }

    @Test
    void aSignalWhoseDefaultWasToEndTheProcessStillEndsIt() throws Exception {
        // HotSpot on x86-64 leaves SIGTRAP alone.
        Process program = run("trap");
        String output = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(program.waitFor()).as(output).isEqualTo(128 + 5);
        assertThat(output).contains("trapNumber=6").doesNotContain("survived");
    }

    private Process run(String what) throws Exception {
        return new ProcessBuilder(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:-CreateCoredumpOnCrash",
                                "-XX:TieredStopAtLevel=1",
                                "-XX:+UseSerialGC",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                FaultingProgram.class.getName(),
                                what))
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
    }

    private static FaultHandler.Registration register(ExecutableMemory memory) {
        memory.code().copyFrom(MemorySegment.ofArray(CODE.code()));
        long start = memory.address();
        return FaultHandler.takeCode(
                start,
                start + CODE.offset("landing"),
                start + CODE.offset("landing"),
                FaultHandler.Base.RBX,
                RECORD);
    }
}
