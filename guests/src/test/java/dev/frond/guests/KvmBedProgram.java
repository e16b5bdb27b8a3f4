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
    private static final Duration COMMAND = Duration.ofMinutes(4);
    private static final String PROMPT = "root@debian-tiny:~# ";

    /**
     * A busy host lets the kernel's check of its timer fail. QEMU does not intercept XSETBV, so
     * that KVM in it never learns of XCR0, and guests must do without. An interpreter inside of an
     * emulator is too slow for the kernel's watchdogs.
     */
    private static final String COMMAND_LINE =
            "console=ttyS0 quiet cryptomgr.notests mitigations=off no_timer_check noxsave"
                    + " nowatchdog rcupdate.rcu_cpu_stall_suppress=1";

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
        // What the shell holds goes along. Its own commands only: the interpreter is slow in here.
        run(console, "x=41; read before rest < /proc/uptime");
        vm.handOver("interpreter");
        say(vm, "handed over");
        expect(run(console, "x=$((x+1)); echo $x"), "\n42\r\n");
        vm.handOver("kvm");
        say(vm, "handed back");
        expect(run(console, "echo $((x+1))"), "\n43\r\n");
        expect(
                run(
                        console,
                        "read after rest < /proc/uptime; test ${after%.*} -ge ${before%.*}; echo"
                                + " $?"),
                "\n0\r\n");
        expect(
                run(console, "for i in 1 2; do sha256sum /bin/busybox & done | uniq | wc -l"),
                "\n1\r\n");
        expect(
                run(console, "dmesg | grep -E 'WARNING|BUG:|Oops|Call Trace'; echo $?"),
                "'; echo $?\r\n1\r\n");
        console.type("poweroff");
        MachineEnd end = vm.end().get(COMMAND.toSeconds(), TimeUnit.SECONDS);
        vm.cpus().forEach(cpu -> System.out.println(cpu.stats()));
        say(vm, end.toString());
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
