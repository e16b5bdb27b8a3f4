// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.host.Ioctl;
import dev.frond.kvm.Kvm.Capability;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Layouts and numbers against the kernel's headers, as a C compiler sees them. */
class StructsTest {
    private static final Path HEADER = Path.of("/usr/include/linux/kvm.h");

    @TempDir private static Path directory;

    /** A C expression, and what Java has for it. */
    private static final Map<String, Long> EXPECTED = new LinkedHashMap<>();

    private static final Map<String, Long> ACTUAL = new LinkedHashMap<>();

    @BeforeAll
    static void compileAndRun() throws Exception {
        assumeThat(Files.exists(HEADER)).as("the kernel's headers (linux-libc-dev)").isTrue();
        assumeThat(Files.isExecutable(Path.of("/usr/bin/cc"))).as("a C compiler").isTrue();
        Structs.ALL.forEach(StructsTest::addStruct);
        Structs.RUN_PARTS.forEach(StructsTest::addRunPart);
        addOffsets("struct kvm_run", "", Structs.RUN, 0);
        for (Field field : Kvm.class.getDeclaredFields()) {
            addConstant(field);
        }
        for (Capability capability : Capability.values()) {
            EXPECTED.put(capability.name(), (long) capability.number());
        }
        List<String> lines = new ArrayList<>();
        lines.add("#include <linux/kvm.h>");
        lines.add("#include <stddef.h>");
        lines.add("#include <stdio.h>");
        lines.add("int main(void) {");
        EXPECTED.keySet().forEach(text -> lines.add("printf(\"%ld\\n\", (long)(" + text + "));"));
        lines.add("return 0; }");
        Path source = directory.resolve("numbers.c");
        Files.write(source, lines);
        Path program = directory.resolve("numbers");
        output("cc", "-w", "-o", program.toString(), source.toString());
        List<String> values = output(program.toString()).lines().toList();
        int i = 0;
        for (String text : EXPECTED.keySet()) {
            ACTUAL.put(text, Long.parseLong(values.get(i++)));
        }
    }

    @Test
    void offsetsAndSizesAreThoseOfTheHeaders() {
        assertThat(EXPECTED).hasSizeGreaterThan(200);
        assertThat(ACTUAL).isEqualTo(EXPECTED);
    }

    private static void addStruct(StructLayout struct) {
        String type = "struct " + struct.name().orElseThrow();
        EXPECTED.put("sizeof(" + type + ")", struct.byteSize());
        addOffsets(type, "", struct, 0);
    }

    private static void addRunPart(StructLayout part) {
        String name = part.name().orElseThrow();
        addOffsets("struct kvm_run", name + ".", part, Structs.RUN.byteSize());
    }

    private static void addOffsets(String type, String path, StructLayout struct, long base) {
        long at = base;
        for (MemoryLayout member : struct.memberLayouts()) {
            if (!(member instanceof PaddingLayout)) {
                String name = path + member.name().orElseThrow();
                EXPECTED.put("offsetof(" + type + ", " + name + ")", at);
                EXPECTED.put("sizeof(((" + type + " *) 0)->" + name + ")", member.byteSize());
                if (member instanceof StructLayout inner) {
                    addOffsets(type, name + ".", inner, at);
                }
            }
            at += member.byteSize();
        }
    }

    private static void addConstant(Field field) throws IllegalAccessException {
        if (!Modifier.isStatic(field.getModifiers()) || field.getName().equals("KVMIO")) {
            return;
        }
        field.setAccessible(true);
        switch (field.get(null)) {
            case Ioctl ioctl -> EXPECTED.put(ioctl.name(), ioctl.number());
            case Integer value -> EXPECTED.put("KVM_" + field.getName(), (long) value);
            case Long value -> EXPECTED.put("KVM_" + field.getName(), value);
            default -> throw new AssertionError(field + " is of no known type");
        }
    }

    private static String output(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(String.join(" ", command) + "\n" + text).isZero();
        return text;
    }
}
