// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.CpuStates;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.insn.Table;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;

import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.TreeMap;

/** Executing an instruction that is decoded already allocates nothing. */
final class AllocationTest {
    private static final long CODE = 0x10000;
    private static final long DATA = 0x20000;

    /** Executions before those that count. */
    private static final int WARM_UP = 300;

    private static final int COUNTED = 200;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void instructionsAllocateNothing() {
        Map<String, Long> allocating = new TreeMap<>();
        for (int cpl : new int[] {0, 3}) {
            for (boolean code64 : new boolean[] {true, false}) {
                CpuHarness harness = harness(cpl, code64);
                CpuState state =
                        CpuStates.save(harness.cpu, CpuState.Activity.ACTIVE, false, CpuState.NONE);
                for (Form form : Table.forms()) {
                    if (form.is(code64 ? Form.NOT_64 : Form.ONLY_64) || values(form)) {
                        continue;
                    }
                    for (boolean wide : new boolean[] {false, code64}) {
                        CpuStates.load(harness.cpu, state);
                        harness.write(CODE, code(form, code64, wide));
                        long bytes = measure(harness.cpu);
                        if (bytes > 0) {
                            allocating.merge(form.toString(), bytes, Math::max);
                        }
                    }
                }
            }
        }
        assertThat(allocating).isEmpty();
    }

    /** Makes an answer of its own: rare, and the host has to be asked. */
    private static boolean values(Form form) {
        return switch (form.mnemonic()) {
            case "CPUID", "RDRAND", "RDSEED" -> true;
            default -> false;
        };
    }

    private static CpuHarness harness(int cpl, boolean code64) {
        CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, cpl);
        harness.map(CODE, 4096);
        harness.map(DATA, 8192);
        if (!code64) {
            harness.compatibilityMode();
        }
        return harness;
    }

    private static byte[] code(Form form, boolean code64, boolean wide) {
        if (form.isVector()) {
            FormEncoder e = new FormEncoder();
            e.memory = !form.is(Form.REGISTER_ONLY) && form.hasModRm();
            e.reg = 1;
            e.rm = 2;
            e.index = 4;
            e.vvvv = 5;
            e.base = Cpu.RBX;
            e.wideVector = wide;
            return e.encode(form);
        }
        IntegerEncoder e = new IntegerEncoder();
        e.code64 = code64;
        e.memory = !form.is(Form.REGISTER_ONLY);
        e.reg = 1;
        e.rm = 2;
        e.base = Cpu.RBX;
        e.wide = wide && !form.is(Form.W0) || form.is(Form.W1);
        return e.encode(form, CODE);
    }

    private long measure(Cpu cpu) {
        cpu.rip = CODE;
        cpu.alone = true;
        Node node;
        try {
            node = cpu.code.enterAlone();
        } catch (CpuFault fault) {
            return 0;
        }
        long thread = Thread.currentThread().threadId();
        execute(cpu, node, WARM_UP);
        long least = Long.MAX_VALUE;
        // What the virtual machine itself allocates once is not there every time.
        for (int i = 0; i < 3 && least > 0; i++) {
            long before = threads.getThreadAllocatedBytes(thread);
            execute(cpu, node, COUNTED);
            least = Math.min(least, (threads.getThreadAllocatedBytes(thread) - before) / COUNTED);
        }
        return least;
    }

    private static void execute(Cpu cpu, Node node, int times) {
        for (int i = 0; i < times; i++) {
            cpu.rip = CODE;
            cpu.r[Cpu.CODE_BASE] = CODE;
            cpu.r[Cpu.RBX] = DATA + 4096;
            cpu.r[Cpu.RSP] = DATA + 4096;
            cpu.r[Cpu.RSI] = DATA + 4096;
            cpu.r[Cpu.RDI] = DATA + 4096;
            cpu.r[Cpu.RCX] = 1;
            cpu.halted = false;
            try {
                node.execute(cpu);
            } catch (CpuFault fault) {
                cpu.takeEvents();
            }
        }
    }
}
