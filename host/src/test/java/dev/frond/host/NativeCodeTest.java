// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static dev.frond.host.NativeCode.Mode.COMPATIBILITY;
import static dev.frond.host.NativeCode.Mode.LONG;
import static dev.frond.host.NativeCode.RAX;
import static dev.frond.host.NativeCode.RBP;
import static dev.frond.host.NativeCode.RBX;
import static dev.frond.host.NativeCode.RCX;
import static dev.frond.host.NativeCode.RDI;
import static dev.frond.host.NativeCode.RDX;
import static dev.frond.host.NativeCode.RSI;
import static dev.frond.host.NativeCode.RSP;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.frond.host.NativeCode.Mode;
import dev.frond.host.NativeCode.Outcome;
import dev.frond.host.NativeCode.Outcome.Completed;
import dev.frond.host.NativeCode.Outcome.Faulted;
import dev.frond.host.NativeCode.Outcome.Stepped;
import dev.frond.host.NativeCode.Signal;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.HexFormat;
import java.util.SplittableRandom;

final class NativeCodeTest {
    private static final long PAGE = 4096;
    private static final long CF = 0x001;
    private static final long PF = 0x004;
    private static final long AF = 0x010;
    private static final long ZF = 0x040;
    private static final long SF = 0x080;
    private static final long DF = 0x400;
    private static final long OF = 0x800;
    private static final long STATUS = CF | PF | AF | ZF | SF | OF;

    private NativeCode cpu;

    @BeforeEach
    void create() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        cpu = NativeCode.create(2 * PAGE);
    }

    @AfterEach
    void close() {
        cpu.close();
    }

    @Test
    void anAdditionSetsRegisterAndFlags() {
        cpu.setGpr(RAX, 0x7FFF_FFFF_FFFF_FFFFL);
        cpu.setGpr(RCX, 1);
        completes("4801C8"); // add rax, rcx
        assertThat(cpu.gpr(RAX)).isEqualTo(Long.MIN_VALUE);
        assertThat(cpu.gpr(RCX)).isEqualTo(1);
        assertThat(cpu.flags() & STATUS).isEqualTo(OF | SF | PF | AF);
    }

    @Test
    void noCodeAtAllKeepsEveryRegister() {
        SplittableRandom random = new SplittableRandom(1);
        for (int round = 0; round < 1000; round++) {
            long[] gpr = random.longs(16).toArray();
            long[] lanes = random.longs(cpu.hasAvx() ? 64 : 32).toArray();
            long flags = random.nextLong() & NativeCode.SETTABLE_FLAGS;
            int mxcsr = random.nextInt() & 0xFFFF;
            for (int i = 0; i < 16; i++) {
                cpu.setGpr(i, gpr[i]);
                for (int lane = 0; lane < lanes.length / 16; lane++) {
                    cpu.setVector(i, lane, lanes[lane * 16 + i]);
                }
            }
            cpu.setFlags(flags);
            cpu.setMxcsr(mxcsr);

            completes("");

            for (int i = 0; i < 16; i++) {
                assertThat(cpu.gpr(i)).as("register %d", i).isEqualTo(gpr[i]);
                for (int lane = 0; lane < lanes.length / 16; lane++) {
                    assertThat(cpu.vector(i, lane))
                            .as("vector %d lane %d", i, lane)
                            .isEqualTo(lanes[lane * 16 + i]);
                }
            }
            assertThat(cpu.flags() & NativeCode.SETTABLE_FLAGS).isEqualTo(flags);
            assertThat(cpu.mxcsr()).isEqualTo(mxcsr);
        }
    }

    @Test
    void everyRegisterIsPassedUnderItsOwnNumber() {
        for (int register = 0; register < 16; register++) {
            cpu.reset();
            cpu.setGpr(register, 0x1234_5678_9ABC_DEF0L);
            // not r64
            completes(
                    String.format("%02XF7%02X", register < 8 ? 0x48 : 0x49, 0xD0 | (register & 7)));
            for (int other = 0; other < 16; other++) {
                long initial = other == RSP ? cpu.stackEnd() : 0;
                assertThat(cpu.gpr(other))
                        .as("not %d, register %d", register, other)
                        .isEqualTo(other == register ? ~0x1234_5678_9ABC_DEF0L : initial);
            }
        }
    }

    @Test
    void theDirectionFlagWorksAndDoesNotLeakIntoTheVirtualMachine() {
        try (FixedMemory memory = FixedMemory.low(PAGE)) {
            cpu.setFlags(DF);
            cpu.setGpr(RAX, 0x5A);
            cpu.setGpr(RDI, memory.address() + 100);
            completes("AA"); // stosb
            assertThat(cpu.gpr(RDI)).isEqualTo(memory.address() + 99);
            assertThat(cpu.flags() & DF).isEqualTo(DF);
            assertThat(memory.segment().get(JAVA_BYTE, 100)).isEqualTo((byte) 0x5A);
            // REP MOVS in the virtual machine's own copying would now go backwards.
            byte[] bytes = new byte[100_000];
            bytes[99_999] = 1;
            assertThat(bytes.clone()).isEqualTo(bytes);
        }
    }

    @Test
    void divisionByZeroIsADivideError() {
        cpu.setGpr(RAX, 5);
        cpu.setGpr(RDX, 9);
        Faulted fault = faults("F7F1"); // div ecx
        assertThat(fault.signal()).isEqualTo(Signal.SIGFPE);
        assertThat(fault.trapNumber()).isZero();
        assertThat(fault.errorCode()).isZero();
        assertThat(fault.rip()).isEqualTo(cpu.codeAddress());
        assertThat(cpu.gpr(RAX)).isEqualTo(5);
        assertThat(cpu.gpr(RDX)).isEqualTo(9);
    }

    @Test
    void ud2IsAnInvalidOpcode() {
        Faulted fault = faults("90 0F0B"); // nop; ud2
        assertThat(fault.signal()).isEqualTo(Signal.SIGILL);
        assertThat(fault.trapNumber()).isEqualTo(6);
        assertThat(fault.rip()).isEqualTo(cpu.codeAddress() + 1);
    }

    @Test
    void int3IsATrapBehindTheInstruction() {
        Faulted fault = faults("CC"); // int3
        assertThat(fault.signal()).isEqualTo(Signal.SIGTRAP);
        assertThat(fault.trapNumber()).isEqualTo(3);
        assertThat(fault.rip()).isEqualTo(cpu.codeAddress() + 1);
    }

    @Test
    void aLoadFromNowhereIsAPageFaultWithItsAddress() {
        cpu.setGpr(RBX, 0x2345);
        Faulted fault = faults("488B03"); // mov rax, [rbx]
        assertThat(fault.signal()).isEqualTo(Signal.SIGSEGV);
        assertThat(fault.trapNumber()).isEqualTo(14);
        assertThat(fault.errorCode()).isEqualTo(4); // U
        assertThat(fault.address()).isEqualTo(0x2345);
        assertThat(fault.code()).isEqualTo(1); // SEGV_MAPERR
    }

    @Test
    void aStoreToNowhereHasTheWriteBit() {
        cpu.setGpr(RBX, 0x2345);
        assertThat(faults("488903").errorCode()).isEqualTo(6); // mov [rbx], rax: W, U
    }

    @Test
    void aStoreToAReadOnlyPageHasThePresentBit() {
        try (FixedMemory memory = FixedMemory.low(PAGE)) {
            memory.segment().set(JAVA_LONG, 0, 77);
            memory.protect(0, PAGE, FixedMemory.Access.READ);
            cpu.setGpr(RBX, memory.address() + 8);
            Faulted fault = faults("488903"); // mov [rbx], rax
            assertThat(fault.errorCode()).isEqualTo(7); // P, W, U
            assertThat(fault.address()).isEqualTo(memory.address() + 8);
            assertThat(fault.code()).isEqualTo(2); // SEGV_ACCERR

            cpu.setGpr(RBX, memory.address());
            completes("488B03"); // mov rax, [rbx]
            assertThat(cpu.gpr(RAX)).isEqualTo(77);
        }
    }

    @Test
    void anAccessAcrossAPageEndFaultsOnTheSecondPage() {
        try (FixedMemory memory = FixedMemory.low(2 * PAGE)) {
            memory.protect(PAGE, PAGE, FixedMemory.Access.NONE);
            cpu.setGpr(RBX, memory.address() + PAGE - 3);
            assertThat(faults("488B03").address()).isEqualTo(memory.address() + PAGE);
        }
    }

    @Test
    void aNonCanonicalAddressIsAGeneralProtectionFault() {
        cpu.setGpr(RBX, 0x8000_0000_0000_0000L);
        Faulted fault = faults("488B03"); // mov rax, [rbx]
        assertThat(fault.signal()).isEqualTo(Signal.SIGSEGV);
        assertThat(fault.trapNumber()).isEqualTo(13);
        assertThat(fault.address()).isZero();
    }

    @Test
    void aMisalignedMovapsIsAGeneralProtectionFault() {
        cpu.setGpr(RBX, cpu.stackEnd() - 24);
        assertThat(faults("0F2803").trapNumber()).isEqualTo(13); // movaps xmm0, [rbx]
        cpu.setGpr(RBX, cpu.stackEnd() - 32);
        completes("0F2803");
    }

    @Test
    void aPrivilegedInstructionIsAGeneralProtectionFault() {
        Faulted fault = faults("F4"); // hlt
        assertThat(fault.signal()).isEqualTo(Signal.SIGSEGV);
        assertThat(fault.trapNumber()).isEqualTo(13);
        assertThat(fault.errorCode()).isZero();
    }

    @Test
    void aFaultKeepsTheRegistersOfThatMoment() {
        for (int i = 0; i < 16; i++) {
            cpu.setGpr(i, 0x1111_1111_1111_1111L * i);
            cpu.setVector(i, 0, 100 + i);
        }
        cpu.setFlags(CF | OF | DF);
        // mov rax, -1; movq xmm3, rax; ud2
        assertThat(faults("48C7C0FFFFFFFF 66480F6ED8 0F0B").trapNumber()).isEqualTo(6);
        for (int i = 0; i < 16; i++) {
            assertThat(cpu.gpr(i)).isEqualTo(i == RAX ? -1 : 0x1111_1111_1111_1111L * i);
            assertThat(cpu.vector(i, 0)).isEqualTo(i == 3 ? -1 : 100 + i);
        }
        assertThat(cpu.flags() & (STATUS | DF)).isEqualTo(CF | OF | DF);
    }

    @Test
    void anyStackPointerIsAllowedWhetherTheCodeFaultsOrNot() {
        for (long rsp : new long[] {0, 1, -1, 0x8000_0000_0000_0000L, cpu.stackEnd() - 3}) {
            cpu.setGpr(RSP, rsp);
            completes("48FFC0"); // inc rax
            assertThat(cpu.gpr(RSP)).isEqualTo(rsp);
            assertThat(faults("0F0B").trapNumber()).isEqualTo(6); // ud2
            assertThat(cpu.gpr(RSP)).isEqualTo(rsp);
        }
    }

    @Test
    void aPushToABadStackIsAPageFaultOrAStackFault() {
        cpu.setGpr(RSP, 0x3008);
        Faulted fault = faults("50"); // push rax
        assertThat(fault.trapNumber()).isEqualTo(14);
        assertThat(fault.address()).isEqualTo(0x3000);
        assertThat(cpu.gpr(RSP)).isEqualTo(0x3008);

        cpu.setGpr(RSP, 0x8000_0000_0000_0000L);
        fault = faults("50");
        assertThat(fault.signal()).isEqualTo(Signal.SIGBUS);
        assertThat(fault.trapNumber()).isEqualTo(12);
    }

    @Test
    void theRunnersStackHoldsWhatIsPushed() {
        cpu.setGpr(RAX, 0x1234);
        completes("50"); // push rax
        assertThat(cpu.gpr(RSP)).isEqualTo(cpu.stackEnd() - 8);
        assertThat(cpu.stack().get(JAVA_LONG_UNALIGNED, NativeCode.STACK_SIZE - 8))
                .isEqualTo(0x1234);
    }

    @Test
    void codeThatJumpsAstrayIsCaught() {
        cpu.setGpr(RAX, 0x1000);
        Faulted fault = faults("FFE0"); // jmp rax
        assertThat(fault.trapNumber()).isEqualTo(14);
        assertThat(fault.address()).isEqualTo(0x1000);
        assertThat(fault.rip()).isEqualTo(0x1000);
        assertThat(fault.errorCode() & ~0x10).isEqualTo(4); // U; I where the host reports it

        cpu.setGpr(RAX, 0x8000_0000_0000_0000L);
        assertThat(faults("FFE0").trapNumber()).isEqualTo(13);
    }

    @Test
    void codeCanEndAtAnUnmappedPage() {
        long end = cpu.codeAddress() + cpu.codeSize();
        cpu.write(-3, hex("48FFC0")); // inc rax
        cpu.enterAt(LONG, end - 3);
        Faulted fault = fault(cpu.run());
        assertThat(cpu.gpr(RAX)).isEqualTo(1);
        assertThat(fault.trapNumber()).isEqualTo(14);
        assertThat(fault.address()).isEqualTo(end);
        assertThat(fault.rip()).isEqualTo(end);
    }

    @Test
    void anInstructionCutByAnUnmappedPageFaultsAtThePage() {
        long end = cpu.codeAddress() + cpu.codeSize();
        cpu.write(-2, hex("48B8")); // the first two bytes of mov rax, imm64
        cpu.enterAt(LONG, end - 2);
        Faulted fault = fault(cpu.run());
        assertThat(fault.rip()).isEqualTo(end - 2);
        assertThat(fault.address()).isEqualTo(end);
    }

    @Test
    void codeFitsExactlyIntoTheRegionWithItsExit() {
        cpu.load(LONG, cpu.codeSize() - 8, hex("48FFC0"));
        assertThat(cpu.run()).isInstanceOf(Completed.class);
        assertThat(cpu.gpr(RAX)).isEqualTo(1);
        assertThatThrownBy(() -> cpu.load(LONG, cpu.codeSize() - 7, hex("48FFC0")))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void newBytesAtTheSamePlaceAreRun() {
        for (int i = 0; i < 2000; i++) {
            cpu.load(LONG, 0, new byte[] {(byte) 0xB8, (byte) i, (byte) (i >> 8), 0, 0});
            cpu.run();
            assertThat(cpu.gpr(RAX)).isEqualTo(i);
        }
    }

    @Test
    void codeCanRunInFixedMemoryAtALowAddress() {
        try (FixedMemory memory = FixedMemory.at(0x20_0000, PAGE)) {
            memory.protect(0, PAGE, FixedMemory.Access.READ_WRITE_EXECUTE);
            memory.segment().copyFrom(segment("488D0500000000")); // lea rax, [rip]
            memory.segment()
                    .asSlice(7)
                    .copyFrom(
                            java.lang.foreign.MemorySegment.ofArray(cpu.exitJump(LONG, 0x20_0007)));
            cpu.enterAt(LONG, 0x20_0000);
            assertThat(cpu.run()).isInstanceOf(Completed.class);
            assertThat(cpu.gpr(RAX)).isEqualTo(0x20_0007);
        }
    }

    @Test
    void sqrtsdRoundsAsMxcsrSays() {
        double[] results = new double[4];
        for (int rounding = 0; rounding < 4; rounding++) {
            cpu.setMxcsr(0x1F80 | (rounding << 13));
            cpu.setVector(1, 0, Double.doubleToRawLongBits(2));
            completes("F20F51C1"); // sqrtsd xmm0, xmm1
            results[rounding] = Double.longBitsToDouble(cpu.vector(0, 0));
            assertThat(cpu.mxcsr()).isEqualTo(0x1FA0 | (rounding << 13)); // PE
        }
        assertThat(results[0]).isEqualTo(Math.sqrt(2));
        assertThat(results[2]).isEqualTo(Math.nextUp(results[1]));
        assertThat(results[3]).isEqualTo(results[1]);
    }

    @Test
    void anUnmaskedSseExceptionIsFaultNineteen() {
        cpu.setMxcsr(0x1F80 & ~0x0200); // ZM clear
        cpu.setVector(0, 0, Double.doubleToRawLongBits(1));
        Faulted fault = faults("F20F5EC1"); // divsd xmm0, xmm1
        assertThat(fault.signal()).isEqualTo(Signal.SIGFPE);
        assertThat(fault.trapNumber()).isEqualTo(19);
        assertThat(cpu.mxcsr() & 0x3F).isEqualTo(4); // ZE
        // The virtual machine's own MXCSR is back.
        assertThat(1.0 / zero()).isEqualTo(Double.POSITIVE_INFINITY);
    }

    @Test
    void mxcsrBitsThatTheProcessorReservesAreRefused() {
        assertThatThrownBy(() -> cpu.setMxcsr(0x8000_1F80))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0x80001f80");
        cpu.fxsave().set(JAVA_INT, 24, 0x8000_1F80);
        assertThatThrownBy(cpu::run)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("exception 13");
        cpu.reset();
        completes("48FFC0");
        assertThat(cpu.gpr(RAX)).isEqualTo(1);
    }

    @Test
    void x87CodeComputesInTheFxsaveImage() {
        completes("D9E8 D9E8 DEC1"); // fld1; fld1; faddp
        assertThat(cpu.fxsave().get(JAVA_SHORT, 0)).isEqualTo((short) 0x37F); // FCW
        assertThat(cpu.fxsave().get(JAVA_SHORT, 2)).isEqualTo((short) 0x3800); // FSW: TOP = 7
        assertThat(cpu.fxsave().get(JAVA_BYTE, 4)).isEqualTo((byte) 0x80); // FTW: physical 7
        assertThat(cpu.fxsave().get(JAVA_LONG, 32)).isEqualTo(0x8000_0000_0000_0000L); // ST0 = 2
        assertThat(cpu.fxsave().get(JAVA_SHORT, 40)).isEqualTo((short) 0x4000);
    }

    @Test
    void anUnmaskedX87ExceptionIsFaultSixteenAndLeavesTheHostsX87Alone() {
        cpu.fxsave().set(JAVA_SHORT, 0, (short) 0x37B); // FCW with ZM clear
        // fld1; fldz; fdivp; fwait
        Faulted fault = faults("D9E8 D9EE DEF9 9B");
        assertThat(fault.signal()).isEqualTo(Signal.SIGFPE);
        assertThat(fault.trapNumber()).isEqualTo(16);
        assertThat(fault.rip()).isEqualTo(cpu.codeAddress() + 6);
        // A pending exception that nobody waits for does not hit the virtual machine either.
        cpu.reset();
        cpu.fxsave().set(JAVA_SHORT, 0, (short) 0x37B);
        completes("D9E8 D9EE DEF9");
        assertThat(cpu.fxsave().get(JAVA_SHORT, 2) & 0x84).isEqualTo(0x84); // ES, ZE
        assertThat(Math.sin(1e22)).isEqualTo(StrictMath.sin(1e22));
    }

    @Test
    void mmxRegistersAreTheX87Registers() {
        cpu.setGpr(RAX, 0x0102_0304_0506_0708L);
        completes("480F6EC8 0FFCC9"); // movq mm1, rax; paddb mm1, mm1
        assertThat(cpu.fxsave().get(JAVA_LONG, 48)).isEqualTo(0x0204_0608_0A0C_0E10L);
        assertThat(cpu.fxsave().get(JAVA_SHORT, 56)).isEqualTo((short) -1);
    }

    @Test
    void xmmRegistersOfTheFxsaveImageAreTheVectorLanes() {
        cpu.setVector(5, 1, 0x1234);
        assertThat(cpu.fxsave().get(JAVA_LONG, 160 + 5 * 16 + 8)).isEqualTo(0x1234);
    }

    @Test
    void vaddpsAddsAllEightLanes() {
        assumeThat(cpu.hasAvx()).as("AVX").isTrue();
        for (int lane = 0; lane < 4; lane++) {
            cpu.setVector(1, lane, floats(lane, lane + 0.5f));
            cpu.setVector(2, lane, floats(10, 20));
        }
        completes("C5F458C2"); // vaddps ymm0, ymm1, ymm2
        for (int lane = 0; lane < 4; lane++) {
            assertThat(cpu.vector(0, lane)).isEqualTo(floats(lane + 10, lane + 20.5f));
        }
    }

    @Test
    void aVexInstructionOf128BitsClearsTheUpperHalf() {
        assumeThat(cpu.hasAvx()).as("AVX").isTrue();
        cpu.setVector(0, 2, -1);
        cpu.setVector(15, 3, -1);
        completes("C5F057C0"); // vxorps xmm0, xmm1, xmm0
        assertThat(cpu.vector(0, 2)).isZero();
        assertThat(cpu.vector(15, 3)).isEqualTo(-1);
        completes("C5F877"); // vzeroupper
        assertThat(cpu.vector(15, 3)).isZero();
    }

    @Test
    void lanesAndRegistersOutsideOfTheProcessorAreRefused() {
        assertThatThrownBy(() -> cpu.vector(16, 0)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> cpu.vector(0, 4)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> cpu.gpr(16)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> cpu.setGpr(-1, 0)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void opcode40IsIncEaxIn32BitCode() {
        assumeThat(cpu.hasCompatibilityMode()).as("32-bit code").isTrue();
        cpu.setGpr(RAX, 0xFFFF_FFFFL);
        cpu.setFlags(CF);
        completes(COMPATIBILITY, "40"); // inc eax
        assertThat(cpu.gpr(RAX)).isZero();
        assertThat(cpu.flags() & STATUS).isEqualTo(CF | ZF | AF | PF);
    }

    @Test
    void code32HasTheInstructionsThat64BitModeDropped() {
        assumeThat(cpu.hasCompatibilityMode()).as("32-bit code").isTrue();
        cpu.setGpr(RAX, 0x19);
        cpu.setFlags(AF);
        completes(COMPATIBILITY, "27"); // daa
        assertThat(cpu.gpr(RAX)).isEqualTo(0x1F);

        cpu.reset();
        for (int i = 0; i < 8; i++) {
            cpu.setGpr(i, i == RSP ? cpu.stackEnd() : 0x100 + i);
        }
        completes(COMPATIBILITY, "60"); // pushad
        assertThat(cpu.gpr(RSP)).isEqualTo(cpu.stackEnd() - 32);
        long top = NativeCode.STACK_SIZE;
        assertThat(cpu.stack().get(JAVA_INT, top - 4)).isEqualTo(0x100 + RAX);
        assertThat(cpu.stack().get(JAVA_INT, top - 20)).isEqualTo((int) cpu.stackEnd());
        assertThat(cpu.stack().get(JAVA_INT, top - 32)).isEqualTo(0x100 + RDI);
    }

    @Test
    void code32ReadsAndWritesLowMemoryThroughAllDataSegments() {
        assumeThat(cpu.hasCompatibilityMode()).as("32-bit code").isTrue();
        try (FixedMemory memory = FixedMemory.low(PAGE)) {
            memory.segment().set(JAVA_INT, 0, 0xCAFE);
            cpu.setGpr(RSI, memory.address());
            cpu.setGpr(RDI, memory.address() + 8);
            completes(COMPATIBILITY, "A5"); // movsd
            assertThat(memory.segment().get(JAVA_INT, 8)).isEqualTo(0xCAFE);
            assertThat(cpu.gpr(RSI)).isEqualTo(memory.address() + 4);
            assertThat(cpu.gpr(RDI)).isEqualTo(memory.address() + 12);
        }
    }

    @Test
    void code16RunsInSegmentsOfItsOwnAndKeepsTheUpperHalfOfTheStackPointer() {
        assumeThat(cpu.hasSegments()).as("16-bit segments").isTrue();
        try (FixedMemory memory = FixedMemory.low(PAGE)) {
            int code = descriptor(20, cpu.codeAddress(), LocalDescriptors.Type.CODE);
            int data = descriptor(21, memory.address(), LocalDescriptors.Type.DATA);
            // push ax; add ax, [bx+si]; mov es, [6]; jmp to the exit
            cpu.write(0x10, hex("50 0300 8E060600"));
            cpu.write(0x17, cpu.exitJump16());
            cpu.setGpr(RAX, 0x1_FFFF);
            cpu.setGpr(RBX, 0xFFFF_FFF0L);
            cpu.setGpr(RSI, 0x12);
            cpu.setGpr(RSP, 0xABCD_0100L);
            memory.segment().set(JAVA_SHORT, 2, (short) 3);
            memory.segment().set(JAVA_SHORT, 6, (short) data);
            cpu.enterAt(new NativeCode.Segments(code, data, data, 0, data, 0), 0x10);
            assertThat(cpu.run()).isInstanceOf(Completed.class);
            assertThat(cpu.gpr(RAX)).isEqualTo(0x1_0002);
            assertThat(cpu.gpr(RSP)).isEqualTo(0xABCD_00FEL);
            assertThat(memory.segment().get(JAVA_SHORT, 0xFE)).isEqualTo((short) 0xFFFF);
            assertThat(cpu.segments())
                    .isEqualTo(new NativeCode.Segments(0x33, data, data, data, data, 0));

            // mov ax, [0FFFFh]
            cpu.write(0x20, hex("A1FFFF"));
            cpu.enterAt(new NativeCode.Segments(code, data, data, 0, 0, 0), 0x20);
            Faulted fault = (Faulted) cpu.run();
            assertThat(fault.trapNumber()).isEqualTo(13);
            assertThat(fault.rip()).isEqualTo(0x20);
            assertThat(cpu.segments().cs()).isEqualTo(code);
            assertThat(cpu.segments().ss()).isEqualTo(data);
            assertThatThrownBy(() -> cpu.step()).isInstanceOf(IllegalStateException.class);
            completes("90"); // 64-bit code as ever
        }
    }

    private static int descriptor(int index, long base, LocalDescriptors.Type type) {
        return LocalDescriptors.set(
                index,
                new LocalDescriptors.Descriptor(
                        base, 0xFFFF, type, false, true, false, true, false));
    }

    @Test
    void aStackPointerThatPointsToTheSignalStackDoesNotEndTheProcess() {
        assumeThat(cpu.hasSegments()).as("FSGSBASE, whose kernels can disarm it").isTrue();
        long below = cpu.stackEnd() - NativeCode.STACK_SIZE;
        for (long rsp : new long[] {below - 8, below - 0xFFF0, below - 0x8000}) {
            cpu.setGpr(RSP, rsp);
            assertThat(faults("F4").trapNumber()).isEqualTo(13); // hlt
            assertThat(cpu.gpr(RSP)).isEqualTo(rsp);
        }
    }

    @Test
    void faultsOf32BitCodeAreCaughtAnd64BitCodeRunsAfterThem() {
        assumeThat(cpu.hasCompatibilityMode()).as("32-bit code").isTrue();
        cpu.setGpr(RBX, 0x2000);
        cpu.setGpr(RBP, -1); // 32-bit code sees the lower half
        Faulted fault = fault(COMPATIBILITY, "8B03"); // mov eax, [ebx]
        assertThat(fault.trapNumber()).isEqualTo(14);
        assertThat(fault.address()).isEqualTo(0x2000);
        assertThat(fault.rip()).isEqualTo(cpu.codeAddress());
        assertThat(cpu.gpr(RBP)).isEqualTo(0xFFFF_FFFFL);

        Faulted bound = fault(COMPATIBILITY, "CE"); // into, OF clear: nothing; then ud2
        assertThat(bound.trapNumber()).isEqualTo(6);

        cpu.reset();
        completes("48FFC0");
        assertThat(cpu.gpr(RAX)).isEqualTo(1);
    }

    @Test
    void askingFor32BitCodeKeepsStateAndCode() {
        cpu.setGpr(RAX, 41);
        cpu.load(LONG, 0, hex("48FFC0"));
        cpu.hasCompatibilityMode();
        assertThat(cpu.run()).isInstanceOf(Completed.class);
        assertThat(cpu.gpr(RAX)).isEqualTo(42);
    }

    @Test
    void aStepDoesOneInstructionAndTellsWhereItLeads() {
        cpu.load(LONG, 0, hex("7410 48FFC0")); // jz +16; inc rax
        assertThat(cpu.step()).isEqualTo(new Stepped(cpu.codeAddress() + 2));
        cpu.setFlags(ZF);
        assertThat(cpu.step()).isEqualTo(new Stepped(cpu.codeAddress() + 18));
        assertThat(cpu.gpr(RAX)).isZero();
        assertThat(cpu.flags() & (STATUS | 0x100)).isEqualTo(ZF);
    }

    @Test
    void aStepOfAFaultingInstructionIsTheFault() {
        cpu.load(LONG, 0, hex("0F0B"));
        assertThat(fault(cpu.step()).trapNumber()).isEqualTo(6);
        cpu.load(LONG, 0, hex("90"));
        assertThat(cpu.run()).isInstanceOf(Completed.class);
    }

    @Test
    void aStepOf32BitCodeWorksToo() {
        assumeThat(cpu.hasCompatibilityMode()).as("32-bit code").isTrue();
        cpu.load(COMPATIBILITY, 0, hex("E800000100")); // call +65536
        assertThat(cpu.step()).isEqualTo(new Stepped(cpu.codeAddress() + 5 + 0x10000));
        assertThat(cpu.stack().get(JAVA_INT, NativeCode.STACK_SIZE - 4))
                .isEqualTo((int) cpu.codeAddress() + 5);
    }

    @Test
    void flagsThatACodeSetsBehindOurBackDoNotReachTheHost() {
        // pushfq; or dword [rsp], 40400h (AC, DF); popfq
        completes("9C 810C2400040400 9D");
        assertThat(cpu.flags() & 0x40400).isEqualTo(0x40400);
        // pushfq; or dword [rsp], 100h (TF); popfq: the trap hits the exit, registers are whole
        cpu.reset();
        cpu.setGpr(RBX, 99);
        Faulted fault = faults("9C 810C2400010000 9D");
        assertThat(fault.trapNumber()).isEqualTo(1);
        assertThat(cpu.gpr(RBX)).isEqualTo(99);
    }

    @Test
    void aRunnerThatIsClosedRefusesToRun() {
        cpu.load(LONG, 0, hex("90"));
        cpu.close();
        assertThatThrownBy(cpu::run).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> cpu.gpr(0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void manyRunnersLiveSideBySideAndAreReused() {
        for (int round = 0; round < 50; round++) {
            NativeCode[] runners = new NativeCode[20];
            for (int i = 0; i < runners.length; i++) {
                runners[i] = NativeCode.create(PAGE);
                runners[i].load(LONG, 0, hex("48FFC0 0F0B")); // inc rax; ud2
                runners[i].setGpr(RAX, i);
            }
            for (int i = 0; i < runners.length; i++) {
                assertThat(fault(runners[i].run()).trapNumber()).isEqualTo(6);
                assertThat(runners[i].gpr(RAX)).isEqualTo(i + 1);
                runners[i].close();
            }
        }
    }

    private void completes(String code) {
        completes(LONG, code);
    }

    private void completes(Mode mode, String code) {
        cpu.load(mode, 0, hex(code));
        assertThat(cpu.run()).isInstanceOf(Completed.class);
    }

    private Faulted faults(String code) {
        cpu.load(LONG, 0, hex(code));
        return fault(cpu.run());
    }

    private Faulted fault(Mode mode, String code) {
        cpu.load(mode, 0, hex(code + "0F0B"));
        return fault(cpu.run());
    }

    private static Faulted fault(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Faulted.class);
        return (Faulted) outcome;
    }

    private static byte[] hex(String digits) {
        return HexFormat.of().parseHex(digits.replace(" ", ""));
    }

    private static java.lang.foreign.MemorySegment segment(String digits) {
        return java.lang.foreign.MemorySegment.ofArray(hex(digits));
    }

    private static long floats(float low, float high) {
        return Integer.toUnsignedLong(Float.floatToRawIntBits(low))
                | ((long) Float.floatToRawIntBits(high) << 32);
    }

    private static double zero() {
        return Double.parseDouble("0");
    }
}
