// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;

/** Executes linked nodes as the interpreter does, up to a fault. */
final class Nodes {
    private final Cpu cpu;
    private boolean fusing;

    Nodes(Cpu cpu) {
        this.cpu = cpu;
    }

    /** From now on each block is fused when it is entered, or is left as it is. */
    void fuse(boolean on) {
        fusing = on;
    }

    /** Runs until a fault, and tells its vector; RIP is its. */
    int run() {
        Node node = null;
        try {
            while (true) {
                if (cpu.hasEvents()) {
                    cpu.takeEvents();
                    cpu.code.handleRequests();
                }
                node = null;
                node = cpu.code.enter();
                if (fusing) {
                    node = cpu.code.fuse(node);
                    // The end of this block is an event, so that its successor is entered here too.
                    cpu.sampleAt = 0;
                }
                do {
                    node = node.execute(cpu);
                } while (node != null);
            }
        } catch (CpuFault fault) {
            Node thrower = node instanceof Fused fused ? fused.failed() : node;
            if (thrower != null && !fault.isRipSet()) {
                cpu.rip = thrower.rip(cpu);
            }
            return fault.isNonCanonical() && thrower != null && thrower.accessesStack()
                    ? CpuFault.SS
                    : fault.vector();
        }
    }
}
