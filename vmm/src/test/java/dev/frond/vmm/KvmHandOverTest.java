// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.interp.Interpreter;
import dev.frond.cpu.translate.Translator;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.kvm.KvmSupport;
import dev.frond.machine.MachineState;
import dev.frond.machine.vcpu.Accelerator;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * No interrupt gets lost when a machine changes its engine. Two CPUs pass an interrupt to and fro
 * and sleep in between; a lost one would end that. Each has a timer, one of which the guest sets
 * again for each interrupt, and two wires of the I/O APIC go up and down, one of which must be
 * served to its end before it interrupts again.
 */
class KvmHandOverTest {
    /** How many changes of engine; more find more. */
    private static final int ROUNDS = Integer.getInteger("frond.handovers", 20);

    private static final long PATIENCE_NANOS = 60_000_000_000L;

    // Of each CPU: messages, timer interrupts, interrupts of the level, of the edge, messages sent.
    private static final int[] BLOCK = {0x3000, 0x3100};
    private static final int MESSAGES = 0;
    private static final int TICKS = 8;
    private static final int LEVELS = 16;
    private static final int EDGES = 24;

    /** How the APIC's registers are written: in their page, or as MSRs. */
    private static final String XAPIC =
            """
            %macro apic 2
            mov dword [rbx + %1], %2
            %endmacro
            %macro message 2
            mov dword [rbx + 0x310], %1 << 24
            mov dword [rbx + 0x300], %2
            %endmacro
            %macro enable 0
            %endmacro
            """;

    private static final String X2APIC =
            """
            %macro apic 2
            push rax
            push rcx
            push rdx
            mov ecx, 0x800 + %1 / 16
            mov eax, %2
            xor edx, edx
            wrmsr
            pop rdx
            pop rcx
            pop rax
            %endmacro
            %macro message 2
            mov ecx, 0x830
            mov edx, %1
            mov eax, %2
            wrmsr
            %endmacro
            %macro enable 0
            mov ecx, 0x1B
            rdmsr
            or eax, 0xC00
            wrmsr
            %endmacro
            """;

    /** Of CPU {@code %1$d}; its timer's mode is {@code %2$d}. */
    private static final String PROGRAM =
            """
            mov ebx, 0xFEE00000
            mov ebp, 0xFEC00000
            mov r15d, 0x3000 + %1$d * 0x100
            enable
            apic 0xF0, 0x1FF
            apic 0x3E0, 0xB
            apic 0x320, %2$d + 0x41
            apic 0x380, 1000000
            mov byte [r15 + 0x40], 1
            still: pause
            cmp byte [0x3040], 1
            jne still
            cmp byte [0x3140], 1
            jne still
            next:
            cli
            mov rax, [r15]
            add rax, 1 - %1$d           ; CPU 0 begins
            cmp [r15 + 0x20], rax
            jae sleep
            inc qword [r15 + 0x20]
            message (1 - %1$d), 0x4084
            sti
            jmp next
            sleep:
            sti
            hlt
            jmp next
            """;

    private static final String WIRES =
            """
            mov dword [rbp], 0x31
            mov dword [rbp + 0x10], 0x01000000
            mov dword [rbp], 0x30           ; pin 16: level, to CPU 1
            mov dword [rbp + 0x10], 0x8052
            mov dword [rbp], 0x33
            mov dword [rbp + 0x10], 0x01000000
            mov dword [rbp], 0x32           ; pin 17: edge, to CPU 1
            mov dword [rbp + 0x10], 0x0063
            """;

    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    private static Accelerator engine(String name) {
        return switch (name) {
            case "interpreter" -> new Interpreter();
            case "translator" -> new Translator();
            default -> new KvmEngine(IrqChip.valueOf(name.toUpperCase(java.util.Locale.ROOT)));
        };
    }

    @ParameterizedTest
    @CsvSource({
        "split, interpreter, x",
        "split, translator, x2",
        "on, interpreter, x2",
        "on, translator, x",
        "off, interpreter, x",
        "off, translator, x2",
        "split, off, x2",
        "on, split, x",
        "off, on, x2"
    })
    void noInterruptGetsLostOnTheWay(String first, String second, String mode) throws Exception {
        String macros = mode.equals("x") ? XAPIC : X2APIC;
        try (IrqRig rig = new IrqRig(engine(first), 2)) {
            prepare(rig, macros);
            rig.start(new long[] {0x1000, 0x2000}, new long[] {0x9000, 0xA000});
            long[] before = {0, 0, 0, 0, 0};
            awaitMessages(rig);
            pulse(rig);
            for (int i = 0; i < ROUNDS; i++) {
                await(rig, before, first + ", " + second + ", change " + i);
                Accelerator next = engine(i % 2 == 0 ? second : first);
                Thread pulses = Thread.ofPlatform().start(() -> pulse(rig));
                rig.machine.whileStanding(() -> rig.engine.handOver(next)).join();
                pulses.join();
            }
            await(rig, before, first + ", " + second + ", the end");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "split, split, x2",
        "split, interpreter, x",
        "on, on, x",
        "on, translator, x2",
        "off, off, x",
        "off, split, x2",
        "on, off, x2"
    })
    void noInterruptGetsLostInASavedMachine(String first, String second, String mode)
            throws Exception {
        String macros = mode.equals("x") ? XAPIC : X2APIC;
        IrqRig rig = new IrqRig(engine(first), 2);
        try {
            prepare(rig, macros);
            rig.start(new long[] {0x1000, 0x2000}, new long[] {0x9000, 0xA000});
            long[] before = {0, 0, 0, 0, 0};
            awaitMessages(rig);
            pulse(rig);
            for (int i = 0; i < ROUNDS; i++) {
                await(rig, before, first + ", " + second + ", copy " + i);
                pulse(rig);
                rig.machine.pause();
                MachineState state = rig.machine.save();
                IrqRig next = new IrqRig(engine(i % 2 == 0 ? second : first), 2);
                next.ram.segment().copyFrom(rig.ram.segment());
                rig.close();
                rig = next;
                rig.machine.start(state);
            }
            await(rig, before, first + ", " + second + ", the end");
        } finally {
            rig.close();
        }
    }

    private static void prepare(IrqRig rig, String macros) throws Exception {
        String eoi = "apic 0xB0, 0\n iretq\n";
        rig.handler(
                        0x41,
                        macros
                                + "inc qword [r15 + 8]\n cmp r15d, 0x3000\n je done\n"
                                + " apic 0x380, 700000\n done:\n"
                                + eoi)
                .handler(0x52, macros + "out 0xE8, al\n inc qword [r15 + 16]\n" + eoi)
                .handler(0x63, macros + "inc qword [r15 + 24]\n" + eoi)
                .handler(0x84, macros + "inc qword [r15]\n" + eoi);
        rig.assemble(
                0x1000,
                64,
                macros + PROGRAM.formatted(0, 0x20000).replace("enable\n", "enable\n" + WIRES));
        rig.assemble(0x2000, 64, macros + PROGRAM.formatted(1, 0));
    }

    /** The wires go up, at some time while the engine changes. */
    private static void pulse(IrqRig rig) {
        long until = System.nanoTime() + ThreadLocalRandom.current().nextInt(3_000_000);
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
        rig.wire.set(true);
        rig.ioApic.pin(17).set(true);
        rig.ioApic.pin(17).set(false);
    }

    private static long[] counts(IrqRig rig) {
        return new long[] {
            rig.ram.load(BLOCK[1] + MESSAGES, 8),
            rig.ram.load(BLOCK[0] + TICKS, 8),
            rig.ram.load(BLOCK[1] + TICKS, 8),
            rig.ram.load(BLOCK[1] + LEVELS, 8),
            rig.ram.load(BLOCK[1] + EDGES, 8)
        };
    }

    private static String state(IrqRig rig) {
        return rig.machine.save().devices() + "; " + rig.machine.save().cpus();
    }

    private static void awaitMessages(IrqRig rig) throws InterruptedException {
        for (int i = 0; counts(rig)[0] < 5; i++) {
            assertThat(i).as(() -> "the guest does not begin: " + state(rig)).isLessThan(5000);
            Thread.sleep(1);
        }
    }

    private static final List<String> NAMES =
            List.of("messages", "periodic ticks", "single ticks", "levels", "edges");

    /** Waits until all have gone on since the last time, and notes how far they are. */
    private static void await(IrqRig rig, long[] before, String when) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            long[] now = counts(rig);
            boolean all = true;
            for (int i = 0; i < now.length; i++) {
                all &= now[i] > before[i] + (i == 0 ? 20 : 0);
            }
            if (all) {
                System.arraycopy(now, 0, before, 0, now.length);
                return;
            }
            assertThat(rig.machine.end().isDone())
                    .as(() -> rig.machine.end().getNow(null) + when)
                    .isFalse();
            if (System.nanoTime() > deadline) {
                rig.machine.pause();
                for (int i = 0; i < now.length; i++) {
                    assertThat(now[i])
                            .as(
                                    "%s: %s stand still under %s: %s",
                                    when, NAMES.get(i), rig.engine.name(), state(rig))
                            .isGreaterThan(before[i] + (i == 0 ? 20 : 0));
                }
            }
            Thread.sleep(0, 200_000);
        }
    }
}
