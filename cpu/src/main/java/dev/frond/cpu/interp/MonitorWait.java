// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/**
 * MWAIT: the CPU sleeps until a store to the line that MONITOR named, or an interrupt. The hints in
 * EAX mean nothing here: there is one depth of sleep.
 */
@Encoding("0F 01 =C9 : MWAIT : end +MONITOR")
public final class MonitorWait extends EndNode {
    /** Masked interrupts end the wait, too. */
    private static final int BREAK_ON_MASKED = 1;

    public MonitorWait(Insn insn) {
        super(insn);
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        cpu.msrs.requireMonitor();
        long extensions = Width.zx(cpu.is64() ? 8 : 4, cpu.r[Cpu.RCX]);
        if ((extensions & ~BREAK_ON_MASKED) != 0) {
            throw cpu.gp();
        }
        leave(cpu);
        cpu.monitor.await(extensions != 0);
        return null;
    }
}
