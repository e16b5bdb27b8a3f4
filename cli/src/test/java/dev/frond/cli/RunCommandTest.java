// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

class RunCommandTest {
    private static final String SIZES =
            "accepted: a whole number with K, M, G or T, from 4M to 1T, a multiple of 1M (512M,"
                    + " 2G)";

    @TempDir Path directory;
    private final FakeMachine machine = new FakeMachine();
    private final CommandRun frond = new CommandRun(machine);
    private Path kernel = Path.of("");

    @BeforeEach
    void aKernel() throws IOException {
        kernel = Files.writeString(directory.resolve("kernel"), "no Linux");
    }

    @Test
    void theDefaultsAreThoseOfTheHelp() {
        assertThat(run("--append", "poweroff")).isZero();
        assertThat(machine.specs)
                .singleElement()
                .satisfies(spec -> {
                    assertThat(spec.kernel()).isEqualTo(kernel);
                    assertThat(spec.initrd()).isEmpty();
                    assertThat(spec.commandLine()).isEqualTo("poweroff");
                    assertThat(spec.memory()).isEqualTo(512L << 20);
                    assertThat(spec.cpus()).isEqualTo(1);
                    assertThat(spec.cpu()).isEqualTo(CpuModel.X86_64_V2);
                    assertThat(spec.engine()).isEqualTo(RunSpec.Engine.AUTO);
                    assertThat(spec.board()).isEqualTo(RunSpec.Board.MICROVM);
                    assertThat(spec.disks()).isEmpty();
                    assertThat(spec.debugExit()).isFalse();
                    assertThat(spec.reboot()).isTrue();
                });
        assertThat(frond.err()).isEmpty();
    }

    @Test
    void everyOptionReachesTheMachine() throws IOException {
        Path initrd = Files.writeString(directory.resolve("initrd"), "x");
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Path other = Files.write(directory.resolve("other,ro"), new byte[1024]);
        assertThat(
                        run(
                                "--append=poweroff",
                                "--initrd=" + initrd,
                                "--memory=6G",
                                "--cpus=2",
                                "--cpu=x86-64-v3",
                                "--engine=interpreter",
                                "--irqchip=split",
                                "--board=microvm",
                                "--disk=" + disk,
                                "--disk=" + other + ",ro",
                                "--debug-exit",
                                "--no-reboot",
                                "--stats",
                                "--timeout=1h"))
                .isZero();
        assertThat(machine.specs)
                .containsExactly(
                        new RunSpec(
                                kernel,
                                Optional.of(initrd),
                                "poweroff",
                                6L << 30,
                                2,
                                CpuModel.X86_64_V3,
                                RunSpec.Engine.INTERPRETER,
                                RunSpec.IrqChip.SPLIT,
                                RunSpec.Board.MICROVM,
                                List.of(
                                        new RunSpec.Disk(disk, false),
                                        new RunSpec.Disk(other, true)),
                                true,
                                false,
                                true));
    }

    @Test
    void aRootDiskNeedsAGuestThatHasOne() {
        for (List<String> guest :
                List.of(List.<String>of(), List.of("debian-tiny"), List.of("host"))) {
            List<String> command = new ArrayList<>(List.of("run", "--root", "x.img"));
            command.addAll(guest);
            assertThat(frond.execute(command.toArray(String[]::new))).isEqualTo(64);
            assertThat(frond.err()).contains("--root: 'x.img' needs a GUEST with a root disk");
        }
        assertThat(run("--root", "x.img")).isEqualTo(64);
        assertThat(machine.specs).isEmpty();
    }

    @Test
    void aRootDiskThatCannotBeOneIsRefusedBeforeTheGuestIsObtained() throws IOException {
        Path odd = Files.write(directory.resolve("odd"), new byte[100]);
        assertThat(frond.execute("run", "debian", "--root", odd.toString())).isEqualTo(66);
        assertThat(frond.err()).contains("is no raw disk image");
        assertThat(frond.execute("run", "debian", "--root", directory.toString())).isEqualTo(66);
        assertThat(frond.err()).contains("is a directory");
        assertThat(frond.execute("run", "debian", "--root", directory + "/a/b")).isEqualTo(66);
        assertThat(frond.err()).contains("no such directory");
    }

    @Test
    void theRootDiskTakesTheSlotOfOne() throws IOException {
        List<String> command = new ArrayList<>(List.of("run", "debian"));
        for (int i = 0; i < RunCommand.MOST_DISKS; i++) {
            command.add("--disk=" + Files.write(directory.resolve("disk" + i), new byte[512]));
        }
        assertThat(frond.execute(command.toArray(String[]::new))).isEqualTo(64);
        assertThat(frond.err())
                .contains("7 disks; accepted: up to 6 beside the root disk on the board microvm");
    }

    @Test
    void aLinuxKernelWithoutACommandLineTalksToTheSerialPort() throws IOException {
        byte[] linux = new byte[0x300];
        System.arraycopy(new byte[] {'H', 'd', 'r', 'S'}, 0, linux, 0x202, 4);
        Files.write(kernel, linux);
        assertThat(run("--timeout=1ms")).isEqualTo(124);
        Files.write(kernel, new byte[0x205]);
        assertThat(run("--timeout=1ms")).isEqualTo(124);
        assertThat(machine.specs)
                .extracting(RunSpec::commandLine)
                .containsExactly("console=ttyS0", "");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "512", "lots", "-1M", "0M", "3M", "2T", "4097K", "99999999999T", "1.5G"})
    void aBadMemorySizeIsRefused(String value) {
        assertRefused("--memory", value, SIZES);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "65", "-1", "two", "1.0", "99999999999"})
    void aBadNumberOfCpusIsRefused(String value) {
        assertRefused("--cpus", value, "accepted: a whole number from 1 to 64");
    }

    @ParameterizedTest
    @CsvSource({
        "--cpu, pentium, 'accepted: x86-64-v1, x86-64-v2, x86-64-v3, Haswell, Skylake-Client, EPYC,"
                + " EPYC-Milan, max'",
        "--cpu, '', 'accepted: x86-64-v1, x86-64-v2, x86-64-v3, Haswell, Skylake-Client, EPYC,"
                + " EPYC-Milan, max'",
        "--engine, xen, 'accepted: auto, interpreter, translator, kvm'",
        "--engine, AUTO, 'accepted: auto, interpreter, translator, kvm'",
        "--irqchip, all, 'accepted: auto, off, split, on'",
        "--board, q35, 'accepted: microvm'",
        "--serial, tcp, 'accepted: stdio, file:F, none'",
        "--serial, file:, 'accepted: stdio, file:F, none'",
        "--timeout, 30, 'accepted: a whole number with ms, s, m or h, more than 0 (30s, 5m)'",
        "--timeout, 0s, 'accepted: a whole number with ms, s, m or h, more than 0 (30s, 5m)'",
        "--timeout, soon, 'accepted: a whole number with ms, s, m or h, more than 0 (30s, 5m)'",
        "--kernel, '', 'accepted: the name of a file'",
        "--disk, '', 'accepted: the name of a file'",
        "--disk, 'x,rw', 'accepted: a file, or a file and '',ro'''",
    })
    void aBadValueIsRefusedWithWhatIsAccepted(String option, String value, String accepted) {
        assertRefused(option, value, accepted);
    }

    @ParameterizedTest
    @ValueSource(strings = {"--memory", "--cpus", "--kernel", "--disk", "--timeout", "--serial"})
    void anOptionWithoutItsValueIsNamed(String option) {
        assertThat(frond.execute("run", option)).isEqualTo(64);
        assertThat(frond.err()).matches("frond: .*'" + option + "'.*\n");
    }

    @Test
    void anOptionGivenTwiceIsNamed() {
        assertThat(frond.execute("run", "--cpus=1", "--cpus=2")).isEqualTo(64);
        assertThat(frond.err()).matches("frond: .*'--cpus'.*\n");
    }

    @Test
    void aGuestThatIsNotKnownIsRefusedWithTheKnownOnes() {
        assertThat(frond.execute("run", "debain")).isEqualTo(64);
        assertThat(frond.err())
                .isEqualTo(
                        "frond: GUEST: 'debain' is not accepted; accepted: debian-tiny,"
                                + " debian, debian-programs, host\n");
        assertThat(frond.execute("guest", "get", "debain")).isEqualTo(64);
        assertThat(frond.execute("guest", "rm", "debain")).isEqualTo(64);
        assertThat(frond.execute("guest")).isEqualTo(64);
        assertThat(frond.err()).contains("list, get GUEST, rm GUEST");
    }

    @Test
    void aGuestAndAKernelExcludeEachOther() {
        assertThat(run("debian-tiny")).isEqualTo(64);
        assertThat(frond.err()).matches("frond: GUEST and --kernel exclude each other.*\n");
    }

    @Test
    void anInitrdNeedsAKernel() {
        assertThat(frond.execute("run", "--initrd", kernel.toString())).isEqualTo(64);
        assertThat(frond.err()).isEqualTo("frond: --initrd: '" + kernel + "' needs --kernel\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--kernel", "--initrd", "--disk"})
    void aFileThatIsNotThereIsNamed(String option) {
        assertFile(option, directory.resolve("nowhere"), "no such file");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--kernel", "--initrd", "--disk"})
    void aDirectoryIsNoFile(String option) {
        assertFile(option, directory, "is a directory");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--kernel", "--initrd", "--disk"})
    void anEmptyFileIsNamed(String option) throws IOException {
        assertFile(option, Files.createFile(directory.resolve("empty")), "is empty");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--kernel", "--initrd", "--disk"})
    void aFileWithoutPermissionIsNamed(String option) throws IOException {
        Path secret = Files.write(directory.resolve("secret"), new byte[512]);
        Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("---------"));
        assumeThat(Files.isReadable(secret)).as("root may read everything").isFalse();
        assertFile(option, secret, "permission denied");
    }

    @Test
    void aDiskThatCannotBeWrittenIsOfferedReadOnly() throws IOException {
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Files.setPosixFilePermissions(disk, PosixFilePermissions.fromString("r--r--r--"));
        assumeThat(Files.isWritable(disk)).as("root may write everything").isFalse();
        assertFile(
                "--disk", disk, "not writable; with " + disk + ",ro the guest gets it read-only");
        assertThat(run("--append=poweroff", "--disk=" + disk + ",ro")).isZero();
    }

    @Test
    void aDiskOfAPartOfASectorIsNoDisk() throws IOException {
        Path disk = Files.write(directory.resolve("disk"), new byte[1000]);
        assertFile(
                "--disk",
                disk,
                "is no raw disk image: its size of 1000 bytes is not a multiple of 512");
    }

    @Test
    void oneFileIsNotTwoDisks() throws IOException {
        Path disk = Files.write(directory.resolve("disk"), new byte[512]);
        Path link = Files.createSymbolicLink(directory.resolve("link"), disk);
        assertThat(run("--disk=" + disk, "--disk=" + link + ",ro")).isEqualTo(66);
        assertThat(frond.err())
                .isEqualTo(
                        "frond: --disk: "
                                + link
                                + ": given twice; accepted: once, or each time with ,ro\n");
        assertThat(run("--append=poweroff", "--disk=" + disk + ",ro", "--disk=" + link + ",ro"))
                .isZero();
    }

    @Test
    void theBoardHasRoomForSevenDisks() throws IOException {
        List<String> arguments = new ArrayList<>(List.of("--append=poweroff"));
        for (int i = 0; i < 7; i++) {
            arguments.add("--disk=" + Files.write(directory.resolve("disk" + i), new byte[512]));
        }
        assertThat(run(arguments.toArray(String[]::new))).isZero();
        arguments.add("--disk=" + Files.write(directory.resolve("disk7"), new byte[512]));
        assertThat(run(arguments.toArray(String[]::new))).isEqualTo(64);
        assertThat(frond.err())
                .isEqualTo("frond: --disk: 8 disks; accepted: up to 7 on the board microvm\n");
    }

    @Test
    void aSerialFileThatCannotBeMadeIsNamed() {
        assertThat(frond.execute("run", "--serial=file:" + directory)).isEqualTo(66);
        assertThat(frond.err()).isEqualTo("frond: --serial: " + directory + ": is a directory\n");
        assertThat(frond.execute("run", "--serial=file:" + directory + "/no/where")).isEqualTo(66);
        assertThat(frond.err())
                .isEqualTo("frond: --serial: " + directory + "/no/where: no such directory\n");
    }

    @Test
    void theSerialFileGetsWhatTheGuestSays() throws IOException {
        Path file = Files.writeString(directory.resolve("log"), "what was there before");
        assertThat(
                        frond.execute(
                                "run",
                                "--kernel=" + kernel,
                                "--serial=file:" + file,
                                "--append=long"))
                .isZero();
        assertThat(Files.readAllLines(file))
                .hasSize(100_001)
                .startsWith("ready")
                .endsWith("line 99999");
    }

    private int run(String... arguments) {
        List<String> command =
                new ArrayList<>(List.of("run", "--kernel=" + kernel, "--serial=none"));
        command.addAll(List.of(arguments));
        return frond.execute(command.toArray(String[]::new));
    }

    @Test
    void featuresOfTheCpuAreAddedAndTakenAway() {
        assertThat(run("--timeout=1ms", "--cpu=x86-64-v2,+avx,kvm=off")).isEqualTo(124);
        assertThat(machine.specs.getFirst().cpu().name()).isEqualTo("x86-64-v2,kvm=off,avx=on");
        assertThat(frond.execute("run", "--cpu=EPYC,+avx3")).isEqualTo(64);
        assertThat(frond.err()).startsWith("frond: --cpu: '+avx3' is not accepted; accepted, with");
        assertThat(frond.err()).contains(" avx2, ").hasLineCount(1);
    }

    private void assertRefused(String option, String value, String accepted) {
        assertThat(frond.execute("run", option + "=" + value)).isEqualTo(64);
        assertThat(frond.err())
                .isEqualTo(
                        "frond: %s: '%s' is not accepted; %s\n".formatted(option, value, accepted));
        assertThat(machine.specs).isEmpty();
    }

    private void assertFile(String option, Path file, String reason) {
        String[] command =
                option.equals("--initrd")
                        ? new String[] {"run", "--kernel=" + kernel, option + "=" + file}
                        : new String[] {"run", option + "=" + file};
        assertThat(frond.execute(command)).isEqualTo(66);
        assertThat(frond.err()).isEqualTo("frond: " + option + ": " + file + ": " + reason + "\n");
        assertThat(machine.specs).isEmpty();
    }
}
