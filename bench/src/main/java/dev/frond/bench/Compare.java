// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.bench;

import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestException;
import dev.frond.vmm.guest.GuestProgress;

import tools.jackson.databind.json.JsonMapper;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * Runs the programs of {@code bench/programs} natively, under QEMU and under Frond in turn, each
 * pinned to the same core, and boots {@code debian-tiny} under both; prints medians and ratios and
 * writes them as JSON and as a chart. Run by {@code bench/compare}.
 */
public final class Compare {
    private static final Path WORK = Path.of("bench/target/compare");
    private static final Duration PATIENCE = Duration.ofMinutes(20);
    private static final Duration BOOT_PATIENCE = Duration.ofMinutes(1);

    private static final String PROMPT = "root@debian-tiny:~# ";
    private static final String CONSOLE = "console=ttyS0 quiet cryptomgr.notests mitigations=off";

    /** Programs that show how two CPUs work together; measured unpinned, with two of them. */
    private static final String PARALLEL = "parallel";

    /** What starting a whole system costs. */
    private record Boot(double wallSeconds, double cpuSeconds) {}

    private final PrintStream out = System.out;
    private final Options options;
    private final Figures figures = new Figures();
    private final Map<String, String> results = new HashMap<>();
    private final Map<String, List<Boot>> boots = new LinkedHashMap<>();
    private final Map<String, Double> twoCpus = new LinkedHashMap<>();
    private int differences;

    private Compare(Options options) {
        this.options = options;
    }

    /** What the user asked for. */
    private record Options(
            int runs, int milliseconds, int core, List<Contender> contenders, List<String> names) {
        static Options of(String[] arguments) {
            int runs = 3;
            int milliseconds = 300;
            int core = 1;
            List<Contender> contenders = List.of(Contender.QEMU, Contender.TRANSLATOR);
            List<String> names = new ArrayList<>();
            for (int i = 0; i < arguments.length; i++) {
                switch (arguments[i]) {
                    case "--runs" -> runs = number(arguments, ++i);
                    case "--time" -> milliseconds = number(arguments, ++i);
                    case "--core" -> core = number(arguments, ++i);
                    case "--interpreter" ->
                            contenders = List.of(Contender.QEMU, Contender.INTERPRETER);
                    case "--frond" -> contenders = List.of(Contender.TRANSLATOR);
                    default -> {
                        if (arguments[i].startsWith("-")) {
                            throw new IllegalArgumentException(
                                    arguments[i]
                                            + " is not an option; options: --runs N, --time MS,"
                                            + " --core N, --interpreter, --frond");
                        }
                        names.add(arguments[i]);
                    }
                }
            }
            return new Options(runs, milliseconds, core, contenders, List.copyOf(names));
        }

        private static int number(String[] arguments, int at) {
            String value = at < arguments.length ? arguments[at] : "";
            if (!value.matches("[0-9]{1,6}")) {
                throw new IllegalArgumentException(
                        arguments[at - 1]
                                + ": '"
                                + value
                                + "' is not accepted; accepted: a number up to 999999");
            }
            return Integer.parseInt(value);
        }
    }

    /**
     * Takes {@code --runs N}, {@code --time MILLISECONDS} of each program, {@code --core N}, {@code
     * --interpreter} to compare that engine, {@code --frond} to leave QEMU out, and names of
     * programs.
     */
    public static void main(String[] arguments) throws Exception {
        int status;
        try {
            status = new Compare(Options.of(arguments)).run() ? 0 : 1;
        } catch (IOException | GuestException | IllegalArgumentException e) {
            System.err.println("bench/compare: " + e.getMessage());
            status = 1;
        }
        System.exit(status);
    }

    private boolean run() throws Exception {
        Guest guest = GuestCatalog.ofUser().obtain("debian-tiny", GuestProgress.SILENT);
        Path executable = GuestPrograms.build(WORK);
        Path initrd = WORK.resolve("programs.cpio").toAbsolutePath();
        GuestPrograms.archive(executable, initrd);
        for (int run = 1; run <= options.runs; run++) {
            note("run " + run + " of " + options.runs);
            note("  native");
            programs(Figures.NATIVE, nativeCommand(executable));
            for (Contender contender : options.contenders) {
                note("  " + contender.title());
                programs(contender.title(), guestCommand(contender, guest, initrd, 1));
                if (options.names.isEmpty()) {
                    boot(contender == Contender.QEMU ? Contender.QEMU_MICROVM : contender, guest);
                }
            }
        }
        if (options.names.isEmpty()) {
            note("  native with two CPUs");
            twoCpus(
                    Figures.NATIVE,
                    List.of(
                            executable.toString(),
                            "-t",
                            String.valueOf(options.milliseconds),
                            "one-thread",
                            "two-threads"));
            for (Contender contender : options.contenders) {
                note("  " + contender.title() + " with two CPUs");
                twoCpus(contender.title(), guestCommand(contender, guest, initrd, 2));
            }
        }
        table();
        if (options.names.isEmpty()) {
            write();
        }
        return differences == 0;
    }

    private void note(String text) {
        System.err.println(text);
    }

    private List<String> nativeCommand(Path executable) {
        List<String> command = new ArrayList<>(List.of(executable.toString()));
        command.addAll(List.of("-t", String.valueOf(options.milliseconds)));
        command.addAll(options.names);
        return command;
    }

    private List<String> guestCommand(Contender contender, Guest guest, Path initrd, int cpus) {
        String names = cpus == 1 ? String.join(" ", options.names) : "one-thread two-threads";
        String append = CONSOLE + " rdinit=/programs -- -t " + options.milliseconds + " " + names;
        return contender.boot(guest.kernel(), initrd, append.strip(), cpus);
    }

    private List<String> pinned(List<String> command) {
        List<String> all = new ArrayList<>(List.of("taskset", "-c", String.valueOf(options.core)));
        all.addAll(command);
        return all;
    }

    /** Runs the programs and takes their lines: family, name, nanoseconds, result. */
    private void programs(String contender, List<String> command)
            throws IOException, InterruptedException {
        String output = output(pinned(command), "\nend");
        for (String line : output.lines().toList()) {
            String[] words = line.strip().split(" ", -1);
            if (words.length != 4 || !words[3].matches("[0-9a-f]{16}")) {
                continue;
            }
            if (words[0].equals(PARALLEL) && options.names.isEmpty()) {
                continue;
            }
            figures.add(contender, words[0], words[1], Double.parseDouble(words[2]));
            String other = results.putIfAbsent(words[1], words[3]);
            if (other != null && !other.equals(words[3])) {
                differences++;
                note(words[1] + " gives " + words[3] + " under " + contender + ", not " + other);
            }
        }
    }

    private void twoCpus(String contender, List<String> command)
            throws IOException, InterruptedException {
        double one = 0;
        double two = 0;
        for (String line : output(command, "\nend").lines().toList()) {
            String[] words = line.strip().split(" ", -1);
            if (words.length == 4 && words[1].equals("one-thread")) {
                one = Double.parseDouble(words[2]);
            } else if (words.length == 4 && words[1].equals("two-threads")) {
                two = Double.parseDouble(words[2]);
            }
        }
        // Two threads do twice the work of one.
        twoCpus.put(contender, 2 * one / two);
    }

    private void boot(Contender contender, Guest guest) throws IOException, InterruptedException {
        long start = System.nanoTime();
        Process process = start(pinned(contender.boot(guest.kernel(), guest.initrd(), CONSOLE, 1)));
        read(process, PROMPT, BOOT_PATIENCE);
        double wall = (System.nanoTime() - start) / 1e9;
        Duration cpu = process.toHandle().info().totalCpuDuration().orElse(Duration.ZERO);
        process.destroy();
        process.waitFor();
        boots.computeIfAbsent(contender.title(), each -> new ArrayList<>())
                .add(new Boot(wall, cpu.toNanos() / 1e9));
    }

    private static Process start(List<String> command) throws IOException {
        return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    private static String output(List<String> command, String end)
            throws IOException, InterruptedException {
        Process process = start(command);
        String output = read(process, end, PATIENCE);
        if (!process.waitFor(5, TimeUnit.SECONDS)) {
            process.destroy();
            process.waitFor();
        }
        return output;
    }

    /** All that the process writes up to this text. */
    private static String read(Process process, String until, Duration patience)
            throws IOException {
        // Whoever has ended by then does not notice.
        CompletableFuture.delayedExecutor(patience.toSeconds(), TimeUnit.SECONDS)
                .execute(process::destroyForcibly);
        StringBuilder text = new StringBuilder();
        InputStream in = process.getInputStream();
        byte[] buffer = new byte[4096];
        while (text.indexOf(until, Math.max(0, text.length() - 4096 - until.length())) < 0) {
            int n = in.read(buffer);
            if (n < 0) {
                throw new IOException(
                        "'"
                                + process.info().commandLine().orElse("the process")
                                + "' ended without '"
                                + until.strip()
                                + "'; it wrote:\n"
                                + text);
            }
            text.append(new String(buffer, 0, n, StandardCharsets.ISO_8859_1));
        }
        return text.toString().replace("\r", "");
    }

    private void table() {
        out.printf("%-10s %-12s %14s", "", "", "native ns");
        for (Contender contender : options.contenders) {
            out.printf(" %12s", contender.title());
        }
        out.printf(" %12s%n", options.contenders.size() > 1 ? "to QEMU" : "");
        for (String family : figures.families()) {
            figures.programs()
                    .forEach((name, line) -> {
                        if (line.family().equals(family)) {
                            row(family, name, line);
                        }
                    });
            means(family, family::equals);
        }
        means("all", each -> true);
        boots.forEach((contender, each) ->
                out.printf(
                        "boot to the shell, %-12s %6.2f s wall, %6.2f s CPU%n",
                        contender,
                        Figures.median(each.stream().mapToDouble(Boot::wallSeconds).toArray()),
                        Figures.median(each.stream().mapToDouble(Boot::cpuSeconds).toArray())));
        twoCpus.forEach((contender, times) ->
                out.printf("two CPUs, %-12s %.2f times the work of one%n", contender, times));
    }

    private void row(String family, String name, Figures.Line line) {
        out.printf("%-10s %-12s %14.1f", family, name, line.median(Figures.NATIVE));
        for (Contender contender : options.contenders) {
            out.printf(" %12.2f", line.ratio(contender.title(), Figures.NATIVE));
        }
        if (options.contenders.size() > 1) {
            out.printf(
                    " %12.2f",
                    line.ratio(
                            options.contenders.getLast().title(),
                            options.contenders.getFirst().title()));
        }
        out.println();
    }

    private void means(String title, Predicate<String> family) {
        out.printf("%-10s %-12s %14s", title, "(mean)", "");
        for (Contender contender : options.contenders) {
            out.printf(" %12.2f", figures.mean(contender.title(), Figures.NATIVE, family));
        }
        if (options.contenders.size() > 1) {
            out.printf(
                    " %12.2f",
                    figures.mean(
                            options.contenders.getLast().title(),
                            options.contenders.getFirst().title(),
                            family));
        }
        out.println();
        out.println();
    }

    private void write() throws IOException {
        Path json = WORK.resolve("compare.json");
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("runs", options.runs);
        all.put("programs", figures.programs());
        all.put("boots", boots);
        all.put("twoCpus", twoCpus);
        Files.writeString(
                json,
                JsonMapper.builder()
                        .build()
                        .writerWithDefaultPrettyPrinter()
                        .writeValueAsString(all));
        Path chart = WORK.resolve("compare.svg");
        Files.writeString(
                chart,
                Chart.of(figures, options.contenders.stream().map(Contender::title).toList()));
        note("written: " + json + ", " + chart);
    }
}
