// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.host.HostException;
import dev.frond.host.Terminal;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestException;
import dev.frond.vmm.guest.GuestProgress;
import dev.frond.vmm.guest.SparseFile;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Model.CommandSpec;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

/** {@code frond run}: boots a guest and connects the terminal to its serial line. */
final class RunCommand implements Callable<Integer> {
    private static final long MIB = 1 << 20;
    static final long LEAST_MEMORY = 4 * MIB;
    static final long MOST_MEMORY = 1L << 40;
    static final int MOST_CPUS = 64;

    /** The microvm board has eight virtio slots; one is the entropy source. */
    static final int MOST_DISKS = 7;

    private static final String DEFAULT_GUEST = "debian-tiny";

    /** What a Linux kernel is told when the user says nothing. */
    private static final String LINUX_CONSOLE = "console=ttyS0";

    /** Tells the guest that no terminal is at the far end. */
    private static final String NO_TERMINAL = "TERM=dumb";

    private final MachineRunner runner;
    private final Supplier<GuestCatalog> catalog;

    private @Nullable String guest;
    private @Nullable String kernel;
    private @Nullable String initrd;
    private @Nullable String append;
    private String memory = "";
    private String cpus = "";
    private String cpu = "";
    private String engine = "";
    private String irqChip = "";
    private List<String> disks = List.of();
    private @Nullable String root;
    private String serial = "";
    private String board = "";
    private boolean debugExit;
    private boolean noReboot;
    private @Nullable String timeout;
    private boolean stats;

    private RunCommand(MachineRunner runner, Supplier<GuestCatalog> catalog) {
        this.runner = runner;
        this.catalog = catalog;
    }

    /** The command with its options. */
    static CommandSpec spec(MachineRunner runner, Supplier<GuestCatalog> catalog) {
        RunCommand run = new RunCommand(runner, catalog);
        CommandSpec spec = CommandSpec.wrapWithoutInspection(run).name("run");
        spec.usageMessage()
                .description("Boots a guest and connects this terminal to its serial line.")
                .customSynopsis("frond run [OPTION]... [GUEST]")
                .sortOptions(false);
        spec.addPositional(
                Options.parameter("0..1", "GUEST")
                        .description(
                                "a guest of 'frond guest list'; debian-tiny if neither it nor"
                                        + " --kernel is given")
                        .setter(Options.text(value -> run.guest = value))
                        .build());
        Options options = new Options(spec);
        options.maybe(
                "--kernel",
                "F",
                value -> run.kernel = value,
                "boot this bzImage, PVH or Multiboot ELF file");
        options.maybe(
                "--initrd",
                "F",
                value -> run.initrd = value,
                "its initramfs, or its Multiboot module");
        options.maybe(
                "--append",
                "S",
                value -> run.append = value,
                "kernel command line; added to a GUEST's own. A bzImage without it gets "
                        + LINUX_CONSOLE);
        options.value("--memory", "SIZE", "512M", value -> run.memory = value, "default: 512M");
        options.value("--cpus", "N", "1", value -> run.cpus = value, "default: 1");
        options.value(
                "--cpu",
                "MODEL[,+F|,-F]",
                "x86-64-v2",
                value -> run.cpu = value,
                "x86-64-v1, x86-64-v2 (default), x86-64-v3, Haswell, Skylake-Client, EPYC,"
                        + " EPYC-Milan or max, with features added and taken away: +avx2,"
                        + " -bmi2, kvm=off");
        options.value(
                "--engine",
                "NAME",
                "auto",
                value -> run.engine = value,
                "what executes the guest: auto (default), interpreter, translator or kvm");
        options.value(
                "--irqchip",
                "WHERE",
                "auto",
                value -> run.irqChip = value,
                "interrupt controllers under KVM: on (all in the kernel), split (local APICs in"
                        + " the kernel), off (all in Frond) or auto (default)");
        options.list(
                "--disk",
                "F[,ro]",
                values -> run.disks = values,
                "a raw disk image; may be repeated. With ,ro it is not written");
        options.maybe(
                "--root",
                "F",
                value -> run.root = value,
                "the root disk of a GUEST that has one, as a file that keeps what the guest"
                        + " writes; made if it is missing. Without it all that is lost");
        options.value(
                "--serial",
                "TO",
                "stdio",
                value -> run.serial = value,
                "the first serial line: stdio (default), file:F or none");
        options.value(
                "--board", "NAME", "microvm", value -> run.board = value, "microvm (default)");
        options.flag(
                "--debug-exit",
                value -> run.debugExit = value,
                "a write of v to port 0xF4 ends the run with status (v << 1) | 1");
        options.flag(
                "--no-reboot",
                value -> run.noReboot = value,
                "a reset by the guest ends the run with status 0");
        options.maybe(
                "--timeout",
                "D",
                value -> run.timeout = value,
                "end the run after this time: 500ms, 30s, 5m, 1h");
        options.flag(
                "--stats",
                value -> run.stats = value,
                "at the end print instructions, MIPS, time and exits");
        return spec;
    }

    @Override
    public Integer call() throws CliException {
        Checked checked = check();
        Boot boot = boot(checked.serial);
        RunSpec spec =
                new RunSpec(
                        boot.kernel,
                        boot.initrd,
                        boot.commandLine,
                        checked.memory,
                        checked.cpus,
                        checked.cpu,
                        checked.engine,
                        checked.irqChip,
                        RunSpec.Board.MICROVM,
                        boot.disks(checked.disks),
                        debugExit,
                        !noReboot,
                        stats);
        return new Session(runner, System.err)
                .run(spec, session -> console(checked.serial, session), checked.timeout, stats);
    }

    /** Everything that can be checked before a guest is obtained. */
    private record Checked(
            long memory,
            int cpus,
            CpuModel cpu,
            RunSpec.Engine engine,
            RunSpec.IrqChip irqChip,
            List<RunSpec.Disk> disks,
            Serial serial,
            Optional<Duration> timeout) {}

    private record Boot(
            Path kernel, Optional<Path> initrd, String commandLine, Optional<RunSpec.Disk> root) {
        /** The root disk before those that the user gave. */
        List<RunSpec.Disk> disks(List<RunSpec.Disk> given) throws CliException {
            List<RunSpec.Disk> all = new ArrayList<>();
            if (root.isPresent()) {
                for (RunSpec.Disk disk : given) {
                    InputFiles.distinct("--root", root.get(), disk);
                }
                all.add(root.get());
            }
            all.addAll(given);
            return all;
        }
    }

    /** The far end of the serial line, as named on the command line. */
    private sealed interface Serial {
        record Stdio() implements Serial {}

        record ToFile(Path file) implements Serial {}

        record None() implements Serial {}
    }

    private Checked check() throws CliException {
        if (guest != null && kernel != null) {
            throw new CliException(
                    ExitStatus.USAGE,
                    "GUEST and --kernel exclude each other: '" + guest + "', '" + kernel + "'");
        }
        if (guest != null && !catalog.get().names().contains(guest)) {
            throw CliException.badValue("GUEST", guest, String.join(", ", catalog.get().names()));
        }
        if (root != null && !guestHasDisk()) {
            throw new CliException(
                    ExitStatus.USAGE, "--root: '" + root + "' needs a GUEST with a root disk");
        }
        if (root != null) {
            Path file = InputFiles.writable("--root", root);
            if (Files.exists(file) && InputFiles.disk("--root", root).readOnly()) {
                throw CliException.badValue("--root", root, "a file without ',ro'");
            }
        }
        if (initrd != null && kernel == null) {
            throw new CliException(ExitStatus.USAGE, "--initrd: '" + initrd + "' needs --kernel");
        }
        if (!board.equals("microvm")) {
            throw CliException.badValue("--board", board, "microvm");
        }
        Checked checked =
                new Checked(
                        memory(), cpus(), cpu(), engine(), irqChip(), disks(), serial(), timeout());
        if (kernel != null) {
            InputFiles.readable("--kernel", kernel);
        }
        if (initrd != null) {
            InputFiles.readable("--initrd", initrd);
        }
        return checked;
    }

    private boolean guestHasDisk() throws CliException {
        try {
            return kernel == null && catalog.get().hasDisk(guest != null ? guest : DEFAULT_GUEST);
        } catch (GuestException e) {
            throw new CliException(ExitStatus.NO_GUEST, String.valueOf(e.getMessage()), e);
        }
    }

    private long memory() throws CliException {
        String accepted = Quantities.SIZE_SYNTAX + ", from 4M to 1T, a multiple of 1M (512M, 2G)";
        OptionalLong size = Quantities.size(memory);
        if (size.isEmpty()
                || size.getAsLong() < LEAST_MEMORY
                || size.getAsLong() > MOST_MEMORY
                || size.getAsLong() % MIB != 0) {
            throw CliException.badValue("--memory", memory, accepted);
        }
        return size.getAsLong();
    }

    private int cpus() throws CliException {
        if (cpus.matches("[0-9]{1,4}")) {
            int number = Integer.parseInt(cpus);
            if (number >= 1 && number <= MOST_CPUS) {
                return number;
            }
        }
        throw CliException.badValue("--cpus", cpus, "a whole number from 1 to " + MOST_CPUS);
    }

    private CpuModel cpu() throws CliException {
        try {
            return CpuModel.parse(cpu);
        } catch (IllegalArgumentException e) {
            throw new CliException(ExitStatus.USAGE, "--cpu: " + e.getMessage(), e);
        }
    }

    private RunSpec.IrqChip irqChip() throws CliException {
        for (RunSpec.IrqChip each : RunSpec.IrqChip.values()) {
            if (each.name().toLowerCase(Locale.ROOT).equals(irqChip)) {
                return each;
            }
        }
        throw CliException.badValue("--irqchip", irqChip, "auto, off, split, on");
    }

    private RunSpec.Engine engine() throws CliException {
        for (RunSpec.Engine each : RunSpec.Engine.values()) {
            if (each.name().toLowerCase(Locale.ROOT).equals(engine)) {
                return each;
            }
        }
        throw CliException.badValue("--engine", engine, "auto, interpreter, translator, kvm");
    }

    private List<RunSpec.Disk> disks() throws CliException {
        boolean hasRoot = guestHasDisk();
        int most = hasRoot ? MOST_DISKS - 1 : MOST_DISKS;
        if (disks.size() > most) {
            throw new CliException(
                    ExitStatus.USAGE,
                    "--disk: "
                            + disks.size()
                            + " disks; accepted: up to "
                            + most
                            + (hasRoot ? " beside the root disk" : "")
                            + " on the board microvm");
        }
        List<RunSpec.Disk> checked = new ArrayList<>();
        for (String each : disks) {
            RunSpec.Disk disk = InputFiles.disk("--disk", each);
            for (RunSpec.Disk other : checked) {
                InputFiles.distinct("--disk", disk, other);
            }
            checked.add(disk);
        }
        return checked;
    }

    private Serial serial() throws CliException {
        if (serial.equals("stdio")) {
            return new Serial.Stdio();
        }
        if (serial.equals("none")) {
            return new Serial.None();
        }
        if (serial.startsWith("file:") && serial.length() > "file:".length()) {
            return new Serial.ToFile(
                    InputFiles.writable("--serial", serial.substring("file:".length())));
        }
        throw CliException.badValue("--serial", serial, "stdio, file:F, none");
    }

    private Optional<Duration> timeout() throws CliException {
        if (timeout == null) {
            return Optional.empty();
        }
        OptionalLong nanos = Quantities.nanos(timeout);
        if (nanos.isEmpty() || nanos.getAsLong() == 0) {
            throw CliException.badValue(
                    "--timeout", timeout, Quantities.DURATION_SYNTAX + ", more than 0 (30s, 5m)");
        }
        return Optional.of(Duration.ofNanos(nanos.getAsLong()));
    }

    private Boot boot(Serial serial) throws CliException {
        if (kernel != null) {
            Path file = Path.of(kernel);
            String ownLine =
                    append != null ? append : InputFiles.isLinux(file) ? LINUX_CONSOLE : "";
            return new Boot(
                    file, Optional.ofNullable(initrd).map(Path::of), ownLine, Optional.empty());
        }
        try (TransferProgress progress = TransferProgress.onStandardError()) {
            Guest found = catalog.get().obtain(guest != null ? guest : DEFAULT_GUEST, progress);
            StringBuilder line = new StringBuilder(found.commandLine());
            if (!(serial instanceof Serial.Stdio) || !Terminal.isTerminal(0)) {
                line.append(' ').append(NO_TERMINAL);
            }
            Optional<RunSpec.Disk> disk = found.disk().map(file -> new RunSpec.Disk(file, true));
            if (root != null && found.disk().isPresent()) {
                disk = Optional.of(keptRoot(root, found.disk().get(), progress));
                line.append(" overlayroot=disabled");
            }
            if (append != null) {
                line.append(' ').append(append);
            }
            return new Boot(found.kernel(), Optional.of(found.initrd()), line.toString(), disk);
        } catch (GuestException e) {
            throw new CliException(ExitStatus.NO_GUEST, String.valueOf(e.getMessage()), e);
        }
    }

    /** The user's own copy of a root disk, made now if it is not there yet. */
    private static RunSpec.Disk keptRoot(String file, Path disk, GuestProgress progress)
            throws CliException {
        Path target = Path.of(file);
        if (!Files.exists(target)) {
            progress.step("Making " + file);
            try {
                SparseFile.copy(disk, target.toAbsolutePath());
            } catch (IOException e) {
                throw new CliException(
                        ExitStatus.NO_INPUT, "--root: " + file + ": " + Failures.reason(e), e);
            }
        }
        return InputFiles.disk("--root", file);
    }

    private static Console console(Serial serial, Session session) throws CliException {
        return switch (serial) {
            case Serial.None() -> Console.NONE;
            case Serial.ToFile(Path file) -> {
                try {
                    yield new FileConsole(file, e -> session.fileFailed(file.toString(), e));
                } catch (IOException e) {
                    throw new CliException(
                            ExitStatus.NO_INPUT,
                            "--serial: " + file + ": " + Failures.reason(e),
                            e);
                }
            }
            case Serial.Stdio() -> {
                try {
                    Optional<Terminal> terminal = Optional.empty();
                    if (Terminal.isTerminal(0)) {
                        System.err.println("Ctrl-A h: help, Ctrl-A x: quit");
                        terminal = Optional.of(Terminal.raw(0));
                    }
                    yield new StdioConsole(
                            new FileInputStream(FileDescriptor.in),
                            new FileOutputStream(FileDescriptor.out),
                            terminal,
                            session::command,
                            session::outputFailed);
                } catch (HostException e) {
                    throw new CliException(
                            ExitStatus.FAILURE, "the terminal: " + e.getMessage(), e);
                }
            }
        };
    }
}
