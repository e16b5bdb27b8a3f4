// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;
import dev.frond.host.HostCpu;
import dev.frond.machine.vcpu.CpuFeature;

import java.util.Optional;
import java.util.Set;

/**
 * How the translator takes a {@link Form}: what its operands are and what it does to the status
 * flags.
 *
 * @param path who emits it
 * @param flags what it does to the status flags, whatever its operands are
 * @param reg what ModRM.reg is
 * @param rm what ModRM.rm is if it is no memory
 * @param access the operand's size in bytes in memory, or {@link #BY_SIZE}
 * @param writesMemory whether memory is written; what is only read must not demand the right to
 *     write
 * @param registers which register operands are written
 * @param usesCl whether CL counts
 * @param immediate the size of the immediate in bytes, or {@link #BY_SIZE}, or {@link #UP_TO_4}
 * @param vector whether SSE, or for a form with a VEX prefix AVX must be available
 * @param vvvv what VEX.vvvv is
 * @param writesVvvv whether the register that VEX.vvvv names is written
 */
record Shape(
        Path path,
        FlagUse flags,
        Kind reg,
        Kind rm,
        int access,
        boolean writesMemory,
        Written registers,
        boolean usesCl,
        int immediate,
        boolean vector,
        Kind vvvv,
        boolean writesVvvv) {
    /** As large as the instruction's operand size. */
    static final int BY_SIZE = -1;

    /** As large as the vector: 16 or 32 bytes. */
    static final int BY_LENGTH = -3;

    /** As large as the operand size, but never more than 4 bytes. */
    static final int UP_TO_4 = -2;

    /** Who emits it. */
    enum Path {
        /** Opcode, ModRM operands, immediate: re-encoded. */
        MODRM,
        /** A register in the opcode. */
        OPCODE_REGISTER,
        /** The opcode alone, or with an immediate. */
        PLAIN,
        ACCUMULATOR_OFFSET,
        EXCHANGE_ACCUMULATOR,
        /** Opcode 90, which REX.B makes an exchange. */
        NOP_OR_EXCHANGE,
        LEA,
        NOP,
        PUSH_REGISTER,
        PUSH_IMMEDIATE,
        PUSH_MEMORY,
        POP_REGISTER,
        PUSH_ALL,
        POP_ALL,
        LEAVE,
        JUMP,
        CONDITIONAL_JUMP,
        CALL,
        JUMP_INDIRECT,
        CALL_INDIRECT,
        RETURN,
        PUSH_FLAGS,
        /** Clears or sets RFLAGS.IF, at CPL 0. */
        INTERRUPT_FLAG,
        /** CLD and CLAC, which most often find their flag clear. */
        CLEAR_FLAG,
        /** STAC. */
        SET_ACCESS,
        SYSTEM_CALL,
        SYSTEM_RETURN,
        INTERRUPT_RETURN,
        /** RDFSBASE and its siblings. */
        SEGMENT_BASE,
        /** RDTSC and RDTSCP. */
        TIME,
        SWAP_GS,
        MOVE_SELECTOR,
        /** MOV to a segment register. */
        LOAD_SELECTOR,
        PUSH_SELECTOR,
        POP_SELECTOR,
        /** LOOP, LOOPZ, LOOPNZ, JCXZ. */
        COUNT_JUMP,
        MOVE_STRING,
        STORE_STRING,
        /** LODS. */
        LOAD_STRING,
        /** BT and its siblings with a register's bit number and memory. */
        FAR_BIT,
        EXCHANGE_8_OR_16,
        /** An x87 instruction, or EMMS: see {@link X87Emitter}. */
        X87,
        /** The interpreter executes it. */
        NOT_TAKEN
    }

    /** What a ModRM field names. */
    enum Kind {
        NOTHING,
        DIGIT,
        BYTE,
        GENERAL,
        XMM,
        MMX
    }

    /** Which register operands are written. */
    enum Written {
        NONE,
        REG,
        RM,
        BOTH;

        boolean reg() {
            return this == REG || this == BOTH;
        }

        boolean rm() {
            return this == RM || this == BOTH;
        }
    }

    /** Left to the interpreter. */
    static final Shape LEFT =
            new Shape(
                    Path.NOT_TAKEN,
                    FlagUse.READS,
                    Kind.NOTHING,
                    Kind.NOTHING,
                    0,
                    false,
                    Written.NONE,
                    false,
                    0,
                    false,
                    Kind.NOTHING,
                    false);

    /** BT and its siblings with memory and a register's bit number. */
    static final Shape FAR_BIT = path(Path.FAR_BIT, new FlagUse(0, Cpu.CF, true));

    private static final Set<String> READ_ONLY =
            Set.of(
                    "CMP", "TEST", "BT", "MUL", "DIV", "IDIV", "COMISS", "COMISD", "UCOMISS",
                    "UCOMISD", "PTEST", "TESTPS", "TESTPD");

    /** Vector instructions that do something unsaid to registers or memory, or vary by CPU. */
    private static final Set<String> LEFT_VECTORS =
            Set.of(
                    "MASKMOVDQU",
                    "MASKMOVQ",
                    "RCPPS",
                    "RCPSS",
                    "RSQRTPS",
                    "RSQRTSS",
                    "EXTRQ",
                    "INSERTQ");

    private static final Set<CpuFeature> VECTOR_FEATURES =
            Set.of(
                    CpuFeature.SSE,
                    CpuFeature.SSE2,
                    CpuFeature.SSE3,
                    CpuFeature.SSSE3,
                    CpuFeature.SSE4_1,
                    CpuFeature.SSE4_2,
                    CpuFeature.AES,
                    CpuFeature.PCLMULQDQ,
                    CpuFeature.SHA,
                    CpuFeature.AVX,
                    CpuFeature.AVX2,
                    CpuFeature.FMA,
                    CpuFeature.F16C);

    /** How a form is taken on this host. */
    static Shape of(Form form) {
        if (X87Emitter.emits(form)) {
            boolean here = form.feature().map(Shape::isHosts).orElse(true);
            return here ? X87Emitter.shape(form) : LEFT;
        }
        return switch (form.mnemonic()) {
            case "LEA" -> path(Path.LEA, FlagUse.NONE);
            case "NOP", "PREFETCH", "PREFETCHW", "ENDBR64", "PAUSE" ->
                    path(
                            form.map() == 0 && form.prefix() == Form.PREFIX_ANY
                                    ? Path.NOP_OR_EXCHANGE
                                    : Path.NOP,
                            FlagUse.NONE);
            case "PUSH" -> push(form);
            case "POP" -> pop(form);
            case "LOOP", "LOOPZ", "LOOPNZ", "JCXZ" -> path(Path.COUNT_JUMP, FlagUse.READS);
            case "LEAVE" -> path(Path.LEAVE, FlagUse.NONE);
            case "CALL" ->
                    path(
                            form.opcode() == 0xE8 ? Path.CALL : Path.CALL_INDIRECT,
                            form.opcode() == 0xE8 ? FlagUse.NONE : FlagUse.READS);
            case "JMP" ->
                    form.opcode() == 0xFF
                            ? path(Path.JUMP_INDIRECT, FlagUse.READS)
                            : path(Path.JUMP, FlagUse.READS);
            case "RET" -> path(Path.RETURN, FlagUse.READS);
            case "PUSHF" -> path(Path.PUSH_FLAGS, FlagUse.READS);
            case "CLD", "CLAC" -> path(Path.CLEAR_FLAG, FlagUse.NONE);
            case "STAC" -> path(Path.SET_ACCESS, FlagUse.NONE);
            case "SYSCALL" -> path(Path.SYSTEM_CALL, FlagUse.READS);
            case "SYSRET" -> path(Path.SYSTEM_RETURN, FlagUse.READS);
            case "IRET" -> path(Path.INTERRUPT_RETURN, FlagUse.READS);
            case "RDTSC", "RDTSCP" -> path(Path.TIME, FlagUse.READS);
            case "RDFSBASE", "RDGSBASE", "WRFSBASE", "WRGSBASE" ->
                    path(Path.SEGMENT_BASE, FlagUse.NONE);
            case "SWAPGS" -> path(Path.SWAP_GS, FlagUse.NONE);
            case "CLI", "STI" -> path(Path.INTERRUPT_FLAG, FlagUse.NONE);
            case "MOVSB", "MOVS" -> path(Path.MOVE_STRING, FlagUse.NONE);
            case "STOSB", "STOS" -> path(Path.STORE_STRING, FlagUse.NONE);
            case "PUSHA" -> path(Path.PUSH_ALL, FlagUse.NONE);
            case "POPA" -> path(Path.POP_ALL, FlagUse.NONE);
            case "LODSB", "LODS" -> path(Path.LOAD_STRING, FlagUse.NONE);
            case "CMPXCHG8B" -> path(Path.EXCHANGE_8_OR_16, new FlagUse(0, Cpu.ZF, true));
            case "LAHF" -> path(Path.PLAIN, FlagUse.READS);
            case "SAHF", "CMC", "CLC", "STC" ->
                    path(Path.PLAIN, FlagUse.of(form, form.mnemonic()).orElseThrow());
            default -> general(form);
        };
    }

    /** Whether it needs the x87 unit. */
    boolean x87() {
        return path == Path.X87 || reg == Kind.MMX || rm == Kind.MMX;
    }

    private static Shape path(Path path, FlagUse flags) {
        return new Shape(
                path,
                flags,
                Kind.NOTHING,
                Kind.NOTHING,
                BY_SIZE,
                false,
                Written.NONE,
                false,
                0,
                false,
                Kind.NOTHING,
                false);
    }

    private static Shape push(Form form) {
        if (form.operands().contains(Operand.Zv)) {
            return path(Path.PUSH_REGISTER, FlagUse.NONE);
        }
        if (form.operands().contains(Operand.Ev)) {
            return path(Path.PUSH_MEMORY, FlagUse.NONE);
        }
        if (form.opcode() == 0x68 || form.opcode() == 0x6A) {
            return path(Path.PUSH_IMMEDIATE, FlagUse.NONE);
        }
        return namesSegment(form) ? path(Path.PUSH_SELECTOR, FlagUse.NONE) : LEFT;
    }

    private static Shape pop(Form form) {
        if (form.operands().contains(Operand.Zv)) {
            return path(Path.POP_REGISTER, FlagUse.NONE);
        }
        return namesSegment(form) ? path(Path.POP_SELECTOR, FlagUse.NONE) : LEFT;
    }

    private static boolean namesSegment(Form form) {
        return switch (form.operands().getFirst()) {
            case ES, CS, SS, DS, FS, GS -> true;
            default -> false;
        };
    }

    private static boolean isCondition(Form form) {
        return form.map() == 0 && (form.opcode() & 0xF0) == 0x70
                || form.map() == 1 && (form.opcode() & 0xF0) == 0x80;
    }

    private static Shape general(Form form) {
        if (form.map() == 0 && form.opcode() == 0x8C) {
            return path(Path.MOVE_SELECTOR, FlagUse.NONE);
        }
        if (form.map() == 0 && form.opcode() == 0x8E) {
            return path(Path.LOAD_SELECTOR, FlagUse.NONE);
        }
        if (isCondition(form)) {
            return path(Path.CONDITIONAL_JUMP, FlagUse.READS);
        }
        if (form.is(Form.END) || form.is(Form.CPL0)) {
            return LEFT;
        }
        boolean vector =
                form.feature().isPresent()
                        && VECTOR_FEATURES.contains(form.feature().get())
                        && (form.isVector() || form.operands().isEmpty());
        String name = name(form);
        Optional<FlagUse> flags = FlagUse.of(form, name);
        boolean mmx = form.operands().stream().anyMatch(Shape::isMmx);
        if (mmx && name.startsWith("CVT")) {
            return LEFT;
        }
        if (flags.isEmpty() && !vector && !mmx) {
            return LEFT;
        }
        if (LEFT_VECTORS.contains(name)
                || form.feature().isPresent() && !isHosts(form.feature().get())) {
            return LEFT;
        }
        return operands(form, flags.orElse(FlagUse.NONE), vector);
    }

    /** The mnemonic, without the V that marks the VEX encoding of an SSE instruction. */
    private static String name(Form form) {
        String name = form.mnemonic();
        return form.isVector() && form.is(Form.VEX) && name.startsWith("V")
                ? name.substring(1)
                : name;
    }

    private static boolean isMmx(Operand operand) {
        return switch (operand.name().charAt(0)) {
            case 'P', 'Q', 'N' -> true;
            default -> false;
        };
    }

    /** Whether instructions of {@code feature} are none that only the host lacks. */
    static boolean isQuick(CpuFeature feature) {
        return !VECTOR_FEATURES.contains(feature) && !GENERAL_FEATURES.contains(feature)
                || isHosts(feature);
    }

    private static final Set<CpuFeature> GENERAL_FEATURES =
            Set.of(
                    CpuFeature.ABM,
                    CpuFeature.ADX,
                    CpuFeature.BMI1,
                    CpuFeature.BMI2,
                    CpuFeature.MOVBE,
                    CpuFeature.POPCNT);

    private static boolean isHosts(CpuFeature feature) {
        if ((feature == CpuFeature.AVX2 || feature == CpuFeature.FMA || feature == CpuFeature.F16C)
                && !isHosts(CpuFeature.AVX)) {
            return false;
        }
        if (feature == CpuFeature.AVX) {
            return HostCpu.has(HostCpu.Feature.AVX);
        }
        HostCpu.Cpuid leaf = HostCpu.cpuid(feature.leaf(), feature.subleaf());
        int register =
                switch (feature.register()) {
                    case EAX -> leaf.eax();
                    case EBX -> leaf.ebx();
                    case ECX -> leaf.ecx();
                    case EDX -> leaf.edx();
                };
        return (register >>> feature.bit() & 1) != 0;
    }

    private static Shape operands(Form form, FlagUse flags, boolean vector) {
        Kind reg = form.hasModRm() ? Kind.DIGIT : Kind.NOTHING;
        Kind rm = Kind.NOTHING;
        Path path = form.hasModRm() ? Path.MODRM : Path.PLAIN;
        Kind vvvv = Kind.NOTHING;
        int access = BY_SIZE;
        boolean usesCl = false;
        int immediate = 0;
        for (Operand operand : form.operands()) {
            String name = operand.name();
            switch (operand) {
                case Ib, sIb, Lx -> immediate++;
                case Mx -> {
                    // Elements under a mask or at the indices of a vector.
                    return LEFT;
                }
                case Iw -> immediate = 2;
                case Iz, sIz -> immediate = UP_TO_4;
                case Iv -> immediate = BY_SIZE;
                case AL, rAX, eAX, One, XMM0 -> {}
                case CL -> usesCl = true;
                case Ob, Ov -> path = Path.ACCUMULATOR_OFFSET;
                case Zb, Zv -> {
                    path = Path.OPCODE_REGISTER;
                    rm = operand == Operand.Zb ? Kind.BYTE : Kind.GENERAL;
                }
                default -> {
                    int bytes = bytes(name.substring(1));
                    switch (name.charAt(0)) {
                        case 'E', 'M', 'R' -> {
                            rm = bytes == 1 && name.charAt(0) != 'R' ? Kind.BYTE : Kind.GENERAL;
                            access = bytes;
                        }
                        case 'G' -> reg = bytes == 1 ? Kind.BYTE : Kind.GENERAL;
                        case 'B' -> vvvv = Kind.GENERAL;
                        case 'H' -> vvvv = Kind.XMM;
                        case 'V' -> reg = Kind.XMM;
                        case 'P' -> reg = Kind.MMX;
                        case 'Q', 'N' -> {
                            rm = Kind.MMX;
                            access = bytes;
                        }
                        case 'W', 'U' -> {
                            rm = Kind.XMM;
                            access = bytes;
                        }
                        default -> {
                            // System registers.
                            return LEFT;
                        }
                    }
                }
            }
        }
        if (form.mnemonic().equals("XCHG") && path == Path.OPCODE_REGISTER) {
            path = Path.EXCHANGE_ACCUMULATOR;
        }
        String name = name(form);
        char first = form.operands().isEmpty() ? ' ' : form.operands().getFirst().name().charAt(0);
        boolean writesVvvv = first == 'H' || first == 'B' || name.equals("MULX");
        boolean exchanges = form.mnemonic().equals("XCHG") || form.mnemonic().equals("XADD");
        // The string comparisons write ECX or XMM0, unsaid.
        boolean reads = name.startsWith("PCMP") && name.contains("STR") || READ_ONLY.contains(name);
        if (form.mnemonic().equals("IMUL") && form.operands().size() == 1) {
            reads = true;
        }
        boolean firstIsRm = "EMRZWUQN".indexOf(first) >= 0;
        boolean firstIsReg = "GVP".indexOf(first) >= 0;
        Written written =
                exchanges
                        ? Written.BOTH
                        : reads
                                ? Written.NONE
                                : firstIsReg ? Written.REG : firstIsRm ? Written.RM : Written.NONE;
        return new Shape(
                path,
                flags,
                reg,
                rm,
                access,
                written.rm(),
                written,
                usesCl,
                immediate,
                vector,
                vvvv,
                writesVvvv);
    }

    private static int bytes(String type) {
        return switch (type) {
            case "b" -> 1;
            case "w" -> 2;
            case "d", "ss" -> 4;
            case "q", "sd" -> 8;
            case "dq" -> 16;
            case "qq" -> 32;
            case "x", "ps", "pd" -> BY_LENGTH;
            default -> BY_SIZE;
        };
    }

    /** The bytes of the memory operand of {@code insn}. */
    int access(Insn insn) {
        return switch (access) {
            case BY_SIZE -> insn.size;
            case BY_LENGTH -> insn.wideVector ? 32 : 16;
            default -> access;
        };
    }

    /** The bytes of the immediate of {@code insn}. */
    int immediate(Insn insn) {
        return switch (immediate) {
            case BY_SIZE -> insn.size;
            case UP_TO_4 -> Math.min(insn.size, 4);
            default -> immediate;
        };
    }
}
