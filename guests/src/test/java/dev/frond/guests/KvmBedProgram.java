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
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * What runs in the test bed, a Linux with a full KVM inside of an emulator: boots debian-tiny under
 * KVM with two CPUs, measures what it waits for, hands it over to the interpreter and back, and
 * switches it off; once for each place that the interrupt controllers can be at. It uses nothing
 * but Frond, as there is nothing else in the bed.
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

    private static long begin = System.nanoTime();

    private KvmBedProgram() {}

    /** Arguments: kernel, initramfs, disk, and which interrupt controllers are the kernel's. */
    public static void main(String[] args) throws Exception {
        for (String irqChip : List.of(args).subList(3, args.length)) {
            boot(args, VmSpec.IrqChip.valueOf(irqChip.toUpperCase(Locale.ROOT)));
        }
        BareKvm.debug();
        BareKvm.rings();
        System.exit(0);
    }

    private static void boot(String[] args, VmSpec.IrqChip irqChip) throws Exception {
        VmSpec spec =
                new VmSpec(
                        Path.of(args[0]),
                        Optional.of(args[1]),
                        COMMAND_LINE,
                        192L << 20,
                        2,
                        CpuModel.X86_64_V2,
                        "kvm",
                        irqChip,
                        List.of(new VmSpec.Disk(Path.of(args[2]), true)),
                        false,
                        false,
                        false);
        SerialConsole console = new SerialConsole();
        begin = System.nanoTime();
        try (Vm vm = Vm.start(spec, console)) {
            try {
                scenes(vm, console, irqChip);
            } catch (Exception e) {
                System.out.println(console.all());
                System.out.println(vm.end().getNow(new MachineEnd.Stopped()));
                vm.cpus().forEach(cpu -> System.out.println(cpu.stats()));
                vm.machine().pause();
                System.out.println(vm.machine().save());
                throw e;
            }
        }
    }

    private static void scenes(Vm vm, SerialConsole console, VmSpec.IrqChip irqChip)
            throws Exception {
        console.await(PROMPT, BOOT);
        say(vm, irqChip, "booted");
        expect(run(console, "nproc"), "\n2\r\n");
        expectNoWarning(console);
        measure(vm, console, irqChip, "disk", "dd if=/dev/vda of=/dev/null bs=4k iflag=direct");
        measure(vm, console, irqChip, "switches", "/switches 1000");
        vm.cpus().forEach(cpu -> System.out.println(cpu.stats()));
        handOver(vm, console, irqChip);
        expectNoWarning(console);
        console.type("poweroff");
        MachineEnd end = vm.end().get(COMMAND.toSeconds(), TimeUnit.SECONDS);
        vm.cpus().forEach(cpu -> System.out.println(cpu.stats()));
        say(vm, irqChip, end.toString());
    }

    /** To the interpreter and back. */
    private static void handOver(Vm vm, SerialConsole console, VmSpec.IrqChip irqChip)
            throws Exception {
        // What the shell holds goes along. Its own commands only: the interpreter is slow in here.
        run(console, "x=41; read before rest < /proc/uptime");
        vm.handOver("interpreter");
        say(vm, irqChip, "handed over");
        expect(run(console, "x=$((x+1)); echo $x"), "\n42\r\n");
        vm.handOver("kvm");
        say(vm, irqChip, "handed back");
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
    }

    private static void expectNoWarning(SerialConsole console) throws Exception {
        expect(
                run(console, "dmesg | grep -E 'WARNING|BUG:|Oops|Call Trace'; echo $?"),
                "'; echo $?\r\n1\r\n");
    }

    /** Says how long a command takes that succeeds. */
    private static void measure(
            Vm vm, SerialConsole console, VmSpec.IrqChip irqChip, String what, String command)
            throws Exception {
        long from = System.nanoTime();
        expect(run(console, command + "; echo =$?"), "\n=0\r\n");
        say(vm, irqChip, "%s took %.2f s".formatted(what, (System.nanoTime() - from) / 1e9));
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

    private static void say(Vm vm, VmSpec.IrqChip irqChip, String what) {
        System.out.printf(
                "KVM BED: %s: %s, engine %s, %.1f s%n",
                irqChip, what, vm.engine(), (System.nanoTime() - begin) / 1e9);
    }
}
