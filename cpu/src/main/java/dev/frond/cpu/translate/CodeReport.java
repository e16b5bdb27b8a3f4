// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.insn.Table;
import dev.frond.host.FaultHandler;
import dev.frond.machine.memory.GuestMemory;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** What a person needs to find the cause of a fault in emitted code. */
final class CodeReport {
    private static final int PAGE = 1 << GuestMemory.PAGE_SHIFT;
    private static final int MOST_INSTRUCTIONS = 64;
    private static final int MOST_BYTES = 2048;

    private static final String[] NAMES = {
        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12",
        "R13", "R14", "R15"
    };

    private static final HexFormat HEX = HexFormat.of();

    private final Cpu cpu;
    private final Context context;
    private final CodeStore store;
    private final Decoder decoder;
    private final byte[] buffer = new byte[PAGE + Decoder.MAX_LENGTH];

    CodeReport(Cpu cpu, Context context, CodeStore store) {
        this.cpu = cpu;
        this.context = context;
        this.store = store;
        decoder = new Decoder(Table.forms(), cpu.cpuid.model().features());
    }

    /** The name of general register {@code index}. */
    static String name(int index) {
        return NAMES[index];
    }

    /** The instruction at the linear address {@code rip}; null if there is none. */
    @Nullable Insn decode(long rip) {
        int offset = (int) rip & PAGE - 1;
        if (!fetch(rip - offset, 0, PAGE)) {
            return null;
        }
        // It may reach into the next page.
        boolean more = PAGE - offset < Decoder.MAX_LENGTH;
        int limit =
                more && fetch(rip - offset + PAGE, PAGE, Decoder.MAX_LENGTH)
                        ? PAGE + Decoder.MAX_LENGTH
                        : PAGE;
        return decoder.decode(buffer, offset, limit, offset, cpu.mode);
    }

    private boolean fetch(long page, int to, int count) {
        long offset = ramOffset(page);
        if (offset < 0) {
            // It may have been executed at another privilege level.
            int cpl = cpu.cpl;
            cpu.segments.setCpl(cpl == 3 ? 0 : 3);
            offset = ramOffset(page);
            cpu.segments.setCpl(cpl);
        }
        if (offset < 0) {
            return false;
        }
        MemorySegment.copy(cpu.ram.segment(), JAVA_BYTE, offset, buffer, to, count);
        return true;
    }

    /** Where the page of code at a linear address lies in RAM; -1 if it cannot be fetched. */
    private long ramOffset(long page) {
        try {
            long physical = cpu.mmu.translateCode(page);
            return cpu.mmu.isRam(physical) ? cpu.mmu.ramOffset(physical) : -1;
        } catch (CpuFault _) {
            return -1;
        }
    }

    private String instruction(long rip, @Nullable Insn insn) {
        if (insn == null) {
            return "  0x%x: no instruction%n".formatted(rip);
        }
        byte[] bytes = Arrays.copyOfRange(buffer, insn.offset, insn.offset + insn.length);
        return "  0x%x: %s  %s%n".formatted(rip, HEX.formatHex(bytes), insn.form);
    }

    /** The instructions at these places, one a line. */
    String instructions(long[] rips) {
        StringBuilder out = new StringBuilder();
        for (long rip : rips) {
            out.append(instruction(rip, decode(rip)));
        }
        return out.toString();
    }

    private String block(long rip) {
        StringBuilder out = new StringBuilder();
        long at = rip;
        for (int i = 0; i < MOST_INSTRUCTIONS && at - rip < PAGE; i++) {
            Insn insn = decode(at);
            out.append(instruction(at, insn));
            if (insn == null || insn.form.is(Form.END)) {
                break;
            }
            at += insn.length;
        }
        return out.toString();
    }

    /** Sixteen general registers, four a line. */
    static String registers(long[] r) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < 16; i++) {
            out.append("  %-3s %016x".formatted(NAMES[i], r[i])).append(i % 4 == 3 ? "\n" : "");
        }
        return out.toString();
    }

    /** The emitted code of the block that {@code place} is in. */
    String emitted(int place) {
        Optional<Block> block = store.blockAt(place);
        if (block.isEmpty()) {
            return "emitted code around: " + HEX.formatHex(store.bytes(place)) + "\n";
        }
        int start = block.get().fromJump();
        int length = Math.min(store.endOf(block.get()) - start, MOST_BYTES);
        return "emitted code, %d bytes at 0x%x, of which 0x%x is number %d:%n  %s%n"
                .formatted(
                        length,
                        store.address(start),
                        store.address(place),
                        place - start,
                        HEX.formatHex(store.code(start, length)));
    }

    /** The host raised an exception at {@code hostRip} that emitted code should not have raised. */
    String failure(long hostRip) {
        MemorySegment memory = context.memory();
        StringBuilder out = new StringBuilder("emitted code failed: ");
        out.append(
                "%s, exception %d, error code 0x%x, address 0x%x%n"
                        .formatted(
                                signal(
                                        memory.get(
                                                JAVA_INT,
                                                Context.FAULT_RECORD + FaultHandler.SIGNAL)),
                                context.get(Context.FAULT_RECORD + FaultHandler.TRAPNO),
                                context.get(Context.FAULT_RECORD + FaultHandler.ERR),
                                context.get(Context.FAULT_RECORD + FaultHandler.ADDRESS)));
        long base = context.get(Context.CODE_BASE);
        if (store.isEmitted(hostRip)) {
            int place = store.place(hostRip);
            Optional<Block> block = store.blockAt(place);
            if (block.isPresent()) {
                long rip = base + block.get().offset();
                out.append(
                        "guest RIP 0x%x, in the block from 0x%x, CPL %d, CR3 0x%x:%n"
                                .formatted(
                                        base + store.offsetAt(block.get(), place),
                                        rip,
                                        cpu.cpl,
                                        cpu.cr3));
                out.append(block(rip));
            } else {
                out.append("guest RIP in the page 0x%x, block unknown%n".formatted(base));
            }
            out.append(emitted(place));
        } else {
            out.append(
                    "guest RIP in the page 0x%x; the host was at 0x%x, which was not emitted%n"
                            .formatted(base, hostRip));
        }
        long[] r = new long[16];
        for (int i = 0; i < 16; i++) {
            r[i] = context.get(Context.slot(i));
        }
        return out.append("guest registers then:\n").append(registers(r)).toString();
    }

    private static String signal(int number) {
        return switch (number) {
            case 4 -> "SIGILL";
            case 5 -> "SIGTRAP";
            case 7 -> "SIGBUS";
            case 8 -> "SIGFPE";
            case 11 -> "SIGSEGV";
            default -> "signal " + number;
        };
    }

    /** Lines with a title, indented. */
    static String lines(String title, List<String> lines) {
        StringBuilder out = new StringBuilder(title).append('\n');
        lines.forEach(line -> out.append("  ").append(line).append('\n'));
        return out.toString();
    }
}
