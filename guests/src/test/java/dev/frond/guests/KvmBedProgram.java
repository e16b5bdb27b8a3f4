// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import dev.frond.machine.MachineEnd;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * What runs in the test bed, a Linux with a full KVM inside of an emulator: boots debian-tiny under
 * KVM with two CPUs, hands it over to the interpreter and back, and switches it off. It uses
 * nothing but Frond, as there is nothing else in the bed.
 */
@NullMarked
final class KvmBedProgram {
    private static final Duration BOOT = Duration.ofMinutes(4);
    private static final Duration COMMAND = Duration.ofMinutes(2);
    private static final String PROMPT = "root@debian-tiny:~# ";

    /**
     * A busy host lets the kernel's check of its timer fail. QEMU does not intercept XSETBV, so
     * that KVM in it never learns of XCR0, and guests must do without.
     */
    private static final String COMMAND_LINE =
            "console=ttyS0 quiet cryptomgr.notests mitigations=off no_timer_check noxsave";

    private static final long BEGIN = System.nanoTime();

    private KvmBedProgram() {}

    /** Arguments: kernel, initramfs. */
    public static void main(String[] args) throws Exception {
        VmSpec spec =
                new VmSpec(
                        Path.of(args[0]),
                        Optional.of(args[1]),
                        COMMAND_LINE,
                        192L << 20,
                        2,
                        CpuModel.X86_64_V2,
                        "kvm",
                        List.of(),
                        false,
                        false);
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(spec, console)) {
            try {
                scenes(vm, console);
            } catch (Exception e) {
                System.out.println(console.all());
                System.out.println(vm.end().getNow(new MachineEnd.Stopped()));
                vm.cpus().forEach(cpu -> System.out.println(cpu.stats()));
                throw e;
            }
        }
        System.exit(0);
    }

    private static void scenes(Vm vm, SerialConsole console) throws Exception {
        console.await(PROMPT, BOOT);
        say(vm, "booted");
        expect(run(console, "nproc"), "\n2\r\n");
        expect(
                run(console, "dmesg | grep -E 'WARNING|BUG:|Oops|Call Trace'; echo $?"),
                "'; echo $?\r\n1\r\n");
        run(console, "i=0; (while true; do i=$((i+1)); echo $i > /tmp/count; done) &");
        vm.handOver("interpreter");
        say(vm, "handed over");
        long there = count(console);
        vm.handOver("kvm");
        say(vm, "handed back");
        long back = count(console);
        if (back <= there || there <= 0) {
            throw new IllegalStateException("counted to " + there + ", then to " + back);
        }
        run(console, "kill %1");
        expect(
                run(console, "dmesg | grep -E 'WARNING|BUG:|Oops|Call Trace'; echo $?"),
                "'; echo $?\r\n1\r\n");
        console.type("poweroff");
        MachineEnd end = vm.end().get(COMMAND.toSeconds(), TimeUnit.SECONDS);
        vm.cpus().forEach(cpu -> System.out.println(cpu.stats()));
        say(vm, end.toString());
    }

    private static long count(SerialConsole console) throws Exception {
        String[] lines = run(console, "cat /tmp/count").split("\r?\n", -1);
        return Long.parseLong(lines[1].strip());
    }

    private static String run(SerialConsole console, String command) throws Exception {
        console.type(command);
        return console.await(PROMPT, COMMAND);
    }

    private static void expect(String actual, String expected) {
        if (!actual.contains(expected)) {
            throw new IllegalStateException("expected " + expected + " in " + actual);
        }
    }

    private static void say(Vm vm, String what) {
        System.out.printf(
                "KVM BED: %s, engine %s, %.1f s%n",
                what, vm.engine(), (System.nanoTime() - BEGIN) / 1e9);
    }
}
