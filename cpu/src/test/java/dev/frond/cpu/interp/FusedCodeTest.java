// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.HexFormat;

/** What belongs to fused blocks and not to single instructions. Programs end in HLT, a #GP. */
final class FusedCodeTest {
    private static final long CODE = 0x40_0000;
    private static final long DATA = 0x50_0000;

    private final CpuHarness harness = new CpuHarness(CpuModel.X86_64_V2, 3);
    private final Cpu cpu = harness.cpu;
    private final Nodes nodes = new Nodes(cpu);

    @BeforeEach
    void map() {
        harness.map(CODE, 4 * 4096);
        harness.map(DATA, 2 * 4096);
        cpu.r[Cpu.RSP] = DATA + 4096;
    }

    private void load(long at, String hex) {
        harness.write(at, HexFormat.ofDelimiter(" ").parseHex(hex));
    }

    /** Runs from CODE to the HLT at {@code end}, and tells how many instructions that were. */
    private long run(long end) {
        long before = cpu.instructions;
        cpu.rip = CODE;
        assertThat(nodes.run()).isEqualTo(CpuFault.GP);
        assertThat(cpu.rip).isEqualTo(end);
        return cpu.instructions - before;
    }

    /** Runs once to fuse each block that is met, then once more. */
    private long runFused(long end) {
        nodes.fuse(true);
        run(end);
        nodes.fuse(false);
        assertThat(entry()).isInstanceOf(Fused.class);
        return run(end);
    }

    private Node entry() {
        cpu.rip = CODE;
        return cpu.code.enter();
    }

    private Node fuse(long at) {
        cpu.rip = at;
        return cpu.code.fuse(cpu.code.enter());
    }

    @Test
    void aFusedLoopComputesAndCountsWhatItsNodesDo() {
        // xor eax,eax; mov ecx,1000; again: add eax,ecx; dec ecx; jnz again; hlt
        load(CODE, "31 C0 B9 E8 03 00 00 01 C8 FF C9 75 FA F4");
        long counted = run(CODE + 13);
        assertThat(counted).isGreaterThanOrEqualTo(2999);
        for (int i = 0; i < 100; i++) {
            assertThat(runFused(CODE + 13)).isEqualTo(counted);
            assertThat(cpu.r[Cpu.RAX]).isEqualTo(1000 * 1001 / 2);
        }
    }

    @Test
    void jumpsThatWereLinkedBeforeLeadToFusedBlocks() {
        // mov ecx,3; again: add eax,1; dec ecx; jnz again; hlt
        load(CODE, "B9 03 00 00 00 83 C0 01 FF C9 75 F9 F4");
        run(CODE + 12);
        Node loop = fuse(CODE + 5);
        assertThat(loop).isInstanceOf(Fused.class);
        Jump jump = (Jump) jumpOf(entry());
        assertThat(jump.near()).isSameAs(loop);
        assertThat(((Jump) jumpOf(((Fused) loop).nodes.getFirst())).near()).isSameAs(loop);
    }

    private static Node jumpOf(Node first) {
        Node node = first;
        while (!(node instanceof Jump)) {
            node = node.next;
        }
        return node;
    }

    @Test
    void aFaultInTheMiddleShowsItsInstructionAndWhatWasDoneBefore() {
        // add rax,1; mov [rsi],rax; mov rbx,[rdi]; add rax,1; hlt
        load(CODE, "48 83 C0 01 48 89 06 48 8B 1F 48 83 C0 01 F4");
        cpu.r[Cpu.RSI] = DATA;
        cpu.r[Cpu.RDI] = DATA;
        runFused(CODE + 14);
        cpu.r[Cpu.RAX] = 41;
        cpu.r[Cpu.RBX] = 5;
        cpu.r[Cpu.RDI] = DATA + 2 * 4096 - 4;
        cpu.rip = CODE;
        assertThat(nodes.run()).isEqualTo(CpuFault.PF);
        assertThat(cpu.rip).isEqualTo(CODE + 7);
        assertThat(cpu.cr2).isEqualTo(DATA + 2 * 4096);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(42);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(5);
        byte[] stored = new byte[8];
        harness.read(DATA, stored);
        assertThat(stored).startsWith(42, 0);
        cpu.r[Cpu.RBP] = 1L << 62;
        cpu.r[Cpu.RDI] = 1L << 62;
        cpu.rip = CODE;
        assertThat(nodes.run()).isEqualTo(CpuFault.GP);
        assertThat(cpu.rip).isEqualTo(CODE + 7);
    }

    @Test
    void aNonCanonicalOperandOnTheStackIsAStackFault() {
        // inc eax; mov rbx,[rbp]; hlt
        load(CODE, "FF C0 48 8B 5D 00 F4");
        cpu.r[Cpu.RBP] = DATA;
        runFused(CODE + 6);
        cpu.r[Cpu.RBP] = 1L << 62;
        cpu.rip = CODE;
        assertThat(nodes.run()).isEqualTo(CpuFault.SS);
        assertThat(cpu.rip).isEqualTo(CODE + 2);
    }

    @Test
    void aJumpOutOfTheMiddleIsTaken() {
        // test edi,edi; jnz out; mov eax,1; hlt; out: mov eax,2; hlt
        load(CODE, "85 FF 75 06 B8 01 00 00 00 F4 B8 02 00 00 00 F4");
        cpu.r[Cpu.RDI] = 0;
        runFused(CODE + 9);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1);
        cpu.r[Cpu.RDI] = 1;
        assertThat(run(CODE + 15)).isPositive();
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(2);
        cpu.r[Cpu.RDI] = 0;
        run(CODE + 9);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1);
    }

    @Test
    void aRunGoesOnBehindCallsAndJumpsWithinThePage() {
        // mov ecx,5; again: call f; jmp on; ud2; on: dec ecx; jnz again; hlt; ud2; f: add eax,ecx;
        // ret
        load(CODE, "B9 05 00 00 00 E8 0B 00 00 00 EB 02 0F 0B FF C9 75 F3 F4 0F 0B 01 C8 C3");
        cpu.r[Cpu.RAX] = 0;
        long counted = run(CODE + 18);
        cpu.r[Cpu.RAX] = 0;
        // Links within the page are there now.
        Fused loop = (Fused) fuse(CODE + 5);
        assertThat(loop.nodes).hasSize(3);
        assertThat(run(CODE + 18)).isEqualTo(counted);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(15);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(DATA + 4096);
    }

    @Test
    void aBlockTooLongForOneClassGoesOnInAnother() {
        byte[] code = new byte[3 * 60 + 1];
        for (int i = 0; i < 60; i++) {
            // add eax,i
            code[3 * i] = (byte) 0x83;
            code[3 * i + 1] = (byte) 0xC0;
            code[3 * i + 2] = (byte) i;
        }
        code[180] = (byte) 0xF4;
        harness.write(CODE, code);
        cpu.r[Cpu.RAX] = 0;
        long counted = run(CODE + 180);
        assertThat(runFused(CODE + 180)).isEqualTo(counted);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(3 * 60 * 59 / 2);
        assertThat(entry().execute(cpu)).isInstanceOf(Fused.class);
    }

    @Test
    @Timeout(60)
    void aStoreIntoAFusedBlockTakesEffectAtTheNextInstruction() {
        // mov ecx,100; again: add eax,1; inc byte [rip-7]; dec ecx; jnz again; hlt
        String code = "31 C0 B9 64 00 00 00 83 C0 01 FE 05 F9 FF FF FF FF C9 75 F3 F4";
        int sum = 0;
        for (int i = 0; i < 100; i++) {
            sum += (byte) (1 + i);
        }
        for (boolean fused : new boolean[] {true, false}) {
            load(CODE, code);
            nodes.fuse(fused);
            cpu.rip = CODE;
            runAlone();
            assertThat((int) cpu.r[Cpu.RAX]).isEqualTo(sum);
        }
    }

    /** As the interpreter does: what would change the code that executes is executed alone. */
    private void runAlone() {
        int fault = nodes.run();
        while (fault != CpuFault.GP) {
            assertThat(harness.step()).isEqualTo(CpuHarness.NO_FAULT);
            fault = nodes.run();
        }
        assertThat(cpu.rip).isEqualTo(CODE + 20);
    }

    @Test
    void codeThatAnotherThreadChangedIsNoLongerFused() throws InterruptedException {
        load(CODE, "FF C3 B0 01 F4");
        runFused(CODE + 4);
        Thread other = new Thread(() -> load(CODE, "FF C3 B0 02"));
        other.start();
        other.join();
        run(CODE + 4);
        assertThat(cpu.r[Cpu.RAX] & 0xFF).isEqualTo(2);
    }

    @Test
    @Timeout(60)
    void anEndlessLoopIsLeftWhenSomethingIsPosted() throws InterruptedException {
        // again: inc eax; jmp again
        load(CODE, "FF C0 EB FC");
        cpu.rip = CODE;
        // Goes around once: the jump is linked, and leaves for the event.
        cpu.sampleAt = 0;
        Node loop = fuse(CODE);
        assertThat(loop.execute(cpu)).isNull();
        cpu.takeEvents();
        Thread other = new Thread(() -> cpu.post(Cpu.EVENT_KICK));
        other.start();
        Node node = loop;
        while (node != null) {
            node = node.execute(cpu);
        }
        assertThat(cpu.rip).isEqualTo(CODE);
        assertThat(cpu.takeEvents()).isEqualTo(Cpu.EVENT_KICK);
        other.join();
    }
}
