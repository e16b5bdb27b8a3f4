// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Something that runs a Linux kernel as a process of its own and has its serial line on stdio. */
enum Contender {
    /**
     * QEMU's own translator on its board pc: the timers of its microvm do not suffice for a kernel
     * to find the rate of the TSC on a busy host, and it hangs then.
     */
    QEMU {
        @Override
        List<String> boot(Path kernel, Path initrd, String append, int cpus) {
            return qemu("pc", kernel, initrd, append, cpus);
        }
    },
    /** The same on its smallest board, which boots fastest; the kernel is told the TSC's rate. */
    QEMU_MICROVM {
        @Override
        List<String> boot(Path kernel, Path initrd, String append, int cpus) {
            return qemu("microvm", kernel, initrd, "tsc_early_khz=2000000 " + append, cpus);
        }
    },
    TRANSLATOR {
        @Override
        List<String> boot(Path kernel, Path initrd, String append, int cpus) {
            return frond("translator", kernel, initrd, append, cpus);
        }
    },
    INTERPRETER {
        @Override
        List<String> boot(Path kernel, Path initrd, String append, int cpus) {
            return frond("interpreter", kernel, initrd, append, cpus);
        }
    };

    /** The command that starts the machine with 512 MB. */
    abstract List<String> boot(Path kernel, Path initrd, String append, int cpus);

    /** As tables name it. */
    String title() {
        return switch (this) {
            case QEMU -> "QEMU";
            case QEMU_MICROVM -> "QEMU microvm";
            case TRANSLATOR -> "translator";
            case INTERPRETER -> "interpreter";
        };
    }

    private static List<String> qemu(
            String board, Path kernel, Path initrd, String append, int cpus) {
        List<String> command = new ArrayList<>(List.of("qemu-system-x86_64", "-M", board));
        command.addAll(List.of("-accel", cpus == 1 ? "tcg" : "tcg,thread=multi"));
        command.addAll(List.of("-cpu", "max", "-smp", String.valueOf(cpus), "-m", "512"));
        command.addAll(List.of("-no-user-config", "-nodefaults", "-display", "none"));
        command.addAll(List.of("-serial", "stdio", "-no-reboot"));
        command.addAll(List.of("-kernel", kernel.toString(), "-initrd", initrd.toString()));
        command.addAll(List.of("-append", append));
        return command;
    }

    private static List<String> frond(
            String engine, Path kernel, Path initrd, String append, int cpus) {
        List<String> command = new ArrayList<>(List.of("./frond", "run", "--engine", engine));
        command.addAll(List.of("--cpu", "x86-64-v3", "--cpus", String.valueOf(cpus)));
        command.addAll(List.of("--memory", "512M", "--no-reboot"));
        command.addAll(List.of("--kernel", kernel.toString(), "--initrd", initrd.toString()));
        command.addAll(List.of("--append", append));
        return command;
    }
}
