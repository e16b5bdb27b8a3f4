// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.BOOT;
import static dev.frond.guests.TinyGuest.PROMPT;
import static dev.frond.guests.TinyGuest.powerOff;
import static dev.frond.guests.TinyGuest.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.translate.Translator;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Debian's kernel on CPUs of other models, and on the paravirtual devices that all have. */
@NullMarked
class NamedModelsTest {
    private static final String FASTEST = Translator.isSupported() ? "translator" : "interpreter";

    private static TinyGuest tiny;

    @TempDir private Path directory;

    @BeforeAll
    static void obtain() throws Exception {
        tiny = TinyGuest.obtain();
    }

    private static VmSpec spec(String engine, String cpu, String more) {
        VmSpec spec = tiny.spec(2, 256L << 20, List.of());
        return new VmSpec(
                spec.kernel(),
                spec.initrd(),
                spec.commandLine() + more,
                spec.memory(),
                spec.cpus(),
                CpuModel.parse(cpu),
                engine,
                spec.disks(),
                false,
                false);
    }

    @ParameterizedTest
    @ValueSource(strings = {"EPYC-Milan", "Skylake-Client", "max,kvm=off"})
    void theKernelIsContentWithTheModel(String name) throws Exception {
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(spec(FASTEST, name, ""), console)) {
            console.await(PROMPT, BOOT);
            assertThat(run(console, "nproc; dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace'"))
                    .contains("\n2\r\n0\r\n");
            assertThat(run(console, "grep -m1 'model name' /proc/cpuinfo"))
                    .contains(": " + CpuModel.parse(name).brand() + "\r\n");
            // Idle CPUs sleep in MWAIT, and wake up again.
            assertThat(run(console, "dmesg | grep -c 'using mwait in idle'; sleep 1; echo up"))
                    .contains("\n1\r\nup\r\n");
            String kvm = name.contains("kvm=off") ? "0" : "1";
            assertThat(run(console, "dmesg | grep -c 'kvm-clock: Using msrs 4b564d01'"))
                    .contains("\n" + kvm + "\r\n");
            powerOff(vm, console);
        }
    }

    /** Virtual time in seconds. */
    private static double now(Clock clock) {
        return clock.now() / 1e9;
    }

    private static double number(String output, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(output);
        assertThat(matcher.find()).as(output).isTrue();
        return Double.parseDouble(matcher.group(1));
    }

    private static double uptime(SerialConsole console) throws Exception {
        return number(run(console, "cat /proc/uptime"), "\n([0-9.]+) [0-9.]+\r");
    }

    @Test
    void kvmClockKeepsTimeOverSaveAndRestore() throws Exception {
        Path snapshot = directory.resolve("clock.snapshot");
        SerialConsole console = new SerialConsole();
        double started;
        double before;
        try (Vm vm = Vm.start(spec(FASTEST, "x86-64-v2", " clocksource=kvm-clock"), console)) {
            console.await(PROMPT, BOOT);
            assertThat(run(console, "cat /sys/devices/system/clocksource/*0/current_clocksource"))
                    .contains("\nkvm-clock\r\n");
            assertThat(run(console, "dmesg | grep kvm-clock"))
                    .contains("kvm-clock: Using msrs 4b564d01 and 4b564d00");
            started = now(vm.machine().clock());
            before = uptime(console);
            vm.save(snapshot);
        }
        SerialConsole later = new SerialConsole();
        VmSpec other = spec("interpreter", "x86-64-v2", " clocksource=kvm-clock");
        try (Vm vm = Vm.restore(other, later, snapshot)) {
            Clock clock = vm.machine().clock();
            double lowest = now(clock);
            double after = uptime(later);
            double highest = now(clock);
            // The clock of the guest has gone as far as that of the machine.
            double boot = started - before;
            assertThat(after + boot).isBetween(lowest - 120, highest + 0.1);
            assertThat(after).isGreaterThan(before).isLessThan(before + highest - started + 0.1);
            long wall = clock.wallTime().getEpochSecond();
            double date = number(run(later, "date +%s"), "\n([0-9]+)\r");
            assertThat(date).isBetween(wall - 1.0, clock.wallTime().getEpochSecond() + 1.0);
            assertThat(run(later, "dmesg | grep -cE 'WARNING|BUG:|unstable|Call Trace'"))
                    .contains("\n0\r\n");
            powerOff(vm, later);
        }
    }
}
