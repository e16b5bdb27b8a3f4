// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.bench;

import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmException;
import dev.frond.vmm.VmSpec;
import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestException;
import dev.frond.vmm.guest.GuestProgress;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Boots {@code debian-tiny} once and tells how long that took, how fast programs run in it, how
 * much memory the process holds beyond the guest's own pages, and what an idle guest costs. Run by
 * {@code bench/guest}.
 *
 * <p>MIPS are guest instructions per second of CPU time of the vCPU's thread, so that other work of
 * the host does not count; what the compiler threads of the JVM take is told apart.
 */
public final class GuestFigures {
    private static final Duration PATIENCE = Duration.ofMinutes(10);
    private static final String PROMPT = "root@debian-tiny:~# ";
    private static final Duration IDLE = Duration.ofSeconds(10);

    /** How the names of work begin that the guest's kernel does. */
    private static final String KERNEL = "kernel: ";

    /** Loops of user programs, and work that the kernel does. */
    private record Work(String name, String command) {}

    private static final List<Work> WORK =
            List.of(
                    new Work(
                            "user: sha256sum",
                            "dd if=/dev/zero bs=64k count=96 2>/dev/null | sha256sum"),
                    new Work(
                            "user: md5sum",
                            "dd if=/dev/zero bs=64k count=320 2>/dev/null | md5sum"),
                    new Work(
                            "user: awk loop",
                            "awk 'BEGIN { for (i = 0; i < 1000000; i++) s += i % 7; print s }'"),
                    new Work(
                            "user: shell loop",
                            "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done"),
                    new Work(
                            "user: gzip",
                            "dd if=/bin/busybox bs=64k 2>/dev/null | gzip -9 | wc -c"),
                    program("fib"),
                    program("crc32"),
                    program("list"),
                    program("matrix"),
                    program("state"),
                    program("sha256"),
                    program("sort"),
                    new Work(
                            KERNEL + "fork and exec",
                            "i=0; while [ $i -lt 150 ]; do /bin/busybox true; i=$((i + 1)); done"),
                    new Work(
                            KERNEL + "read and write",
                            "dd if=/dev/zero of=/dev/null bs=1 count=150000 2>/dev/null"),
                    new Work(
                            KERNEL + "files",
                            "for i in 1 2 3; do mkdir /tmp/t; cp -r /sys/kernel/mm /tmp/t; rm -r"
                                    + " /tmp/t; done 2>/dev/null"));

    private final PrintStream out = System.out;

    /** One of {@code bench/programs} until it took two seconds at a stretch. */
    private static Work program(String name) {
        return new Work("user: loop " + name, "/programs -t 2000 " + name);
    }

    private GuestFigures() {}

    /** Takes the engine's name, by default auto. */
    public static void main(String[] arguments) throws Exception {
        try {
            new GuestFigures().run(arguments.length == 0 ? "auto" : arguments[0]);
        } catch (IOException | GuestException | VmException e) {
            System.err.println("bench/guest: " + e.getMessage());
            System.exit(1);
        }
    }

    /** What has been used up to now. */
    private record Used(long wall, long cpu, long process, long instructions) {
        Used since(Used start) {
            return new Used(
                    wall - start.wall,
                    cpu - start.cpu,
                    process - start.process,
                    instructions - start.instructions);
        }

        Used and(Used more) {
            return new Used(
                    wall + more.wall,
                    cpu + more.cpu,
                    process + more.process,
                    instructions + more.instructions);
        }
    }

    private static Used used(Vm vm) {
        var threads = ManagementFactory.getThreadMXBean();
        long cpu = 0;
        for (long id : threads.getAllThreadIds()) {
            var info = threads.getThreadInfo(id);
            if (info != null && info.getThreadName().startsWith("frond-cpu")) {
                cpu += Math.max(0, threads.getThreadCpuTime(id));
            }
        }
        return new Used(
                System.nanoTime(), cpu, processCpu(), vm.cpus().getFirst().stats().instructions());
    }

    private static long processCpu() {
        return ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO).toNanos();
    }

    private void run(String engine) throws Exception {
        Guest guest = GuestCatalog.ofUser().obtain("debian-tiny", GuestProgress.SILENT);
        Path initrd = withPrograms(guest.initrd());
        VmSpec spec =
                new VmSpec(
                                guest.kernel(),
                                Optional.of(initrd.toString()),
                                guest.commandLine(),
                                512L << 20,
                                1,
                                CpuModel.X86_64_V2,
                                engine,
                                List.of(),
                                false,
                                false)
                        .withCount();
        SerialConsole console = new SerialConsole();
        long start = System.nanoTime();
        try (Vm vm = Vm.start(spec, console)) {
            Used zero = new Used(start, 0, processCpu(), 0);
            console.await(PROMPT, PATIENCE);
            out.printf(
                    "%-24s %8s %8s %8s %10s %6s%n",
                    "", "wall s", "vCPU s", "all s", "million", "MIPS");
            Used kernel = used(vm).since(zero);
            line("boot to the shell", kernel);
            for (Work work : WORK) {
                Used before = used(vm);
                console.type(work.command());
                console.await(PROMPT, PATIENCE);
                Used took = used(vm).since(before);
                line(work.name(), took);
                if (work.name().startsWith(KERNEL)) {
                    kernel = kernel.and(took);
                }
            }
            line(KERNEL + "all, and the boot", kernel);
            memory(vm);
            Thread.sleep(3000);
            Used before = used(vm);
            Thread.sleep(IDLE.toMillis());
            Used idle = used(vm).since(before);
            out.printf("idle: %.2f %% of a core%n", 100.0 * idle.process / idle.wall);
            console.type("poweroff");
            vm.end().get();
        }
    }

    /** The guest's initramfs, and behind it one with the programs. */
    private static Path withPrograms(Path initrd) throws IOException, InterruptedException {
        Path work = Path.of("bench/target/guest");
        Path programs = work.resolve("programs.cpio");
        GuestPrograms.archive(GuestPrograms.build(work), programs);
        Path both = work.resolve("initrd.cpio").toAbsolutePath();
        try (OutputStream out = Files.newOutputStream(both)) {
            Files.copy(initrd, out);
            Files.copy(programs, out);
        }
        return both;
    }

    private void line(String name, Used used) {
        out.printf(
                "%-24s %8.2f %8.2f %8.2f %10.1f %6.0f%n",
                name,
                used.wall / 1e9,
                used.cpu / 1e9,
                used.process / 1e9,
                used.instructions / 1e6,
                used.instructions * 1e3 / Math.max(1, used.cpu));
    }

    private void memory(Vm vm) throws IOException {
        long resident = 0;
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                resident = Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
            }
        }
        long touched = vm.residentMemory();
        out.printf(
                "memory: process %d MB, of these guest pages %d MB, beyond them %d MB%n",
                resident >> 20, touched >> 20, resident - touched >> 20);
    }
}
