// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The rules that the whole code base keeps; ARCHITECTURE.md says why. */
class ArchitectureTest {
    /** Every room, and the rooms that it may use. Arrows only point down. */
    private static final Map<String, Set<String>> ROOMS =
            Map.ofEntries(
                    Map.entry("host", Set.of()),
                    Map.entry("machine", Set.of()),
                    Map.entry("cpu", Set.of("machine", "host")),
                    Map.entry("kvm", Set.of("machine", "host")),
                    Map.entry("devices", Set.of("machine")),
                    Map.entry("virtio", Set.of("machine")),
                    Map.entry("firmware", Set.of("machine")),
                    Map.entry("block", Set.of("machine")),
                    Map.entry("boards", Set.of("machine", "devices", "virtio", "firmware")),
                    Map.entry(
                            "vmm",
                            Set.of(
                                    "machine",
                                    "host",
                                    "cpu",
                                    "kvm",
                                    "devices",
                                    "virtio",
                                    "firmware",
                                    "block",
                                    "boards")),
                    Map.entry(
                            "cli",
                            Set.of(
                                    "machine",
                                    "host",
                                    "cpu",
                                    "kvm",
                                    "devices",
                                    "virtio",
                                    "firmware",
                                    "block",
                                    "boards",
                                    "vmm")),
                    Map.entry("testkit", Set.of("machine", "host")));

    private static JavaClasses frond = new ClassFileImporter().importClasses(List.of());

    @BeforeAll
    static void importClasses() {
        frond =
                new ClassFileImporter()
                        .withImportOption(location -> !location.contains("/test-classes/"))
                        .importPackages("dev.frond");
    }

    @Test
    void everyRoomIsChecked() {
        Set<String> found = new TreeSet<>();
        for (JavaClass type : frond) {
            String[] names = type.getPackageName().split("\\.", -1);
            if (names.length > 2) {
                found.add(names[2]);
            }
        }
        assertThat(found).containsExactlyInAnyOrderElementsOf(ROOMS.keySet());
    }

    @TestFactory
    List<DynamicTest> everyRoomUsesOnlyTheRoomsBelowIt() {
        return ROOMS.entrySet().stream()
                .map(room ->
                        DynamicTest.dynamicTest(
                                room.getKey(), () -> checkArrows(room.getKey(), room.getValue())))
                .toList();
    }

    private static void checkArrows(String room, Set<String> below) {
        String[] allowed =
                Stream.concat(Stream.of(room), below.stream())
                        .map(name -> "dev.frond." + name + "..")
                        .toArray(String[]::new);
        noClasses()
                .that()
                .resideInAPackage("dev.frond." + room + "..")
                .should()
                .dependOnClassesThat(
                        resideInAPackage("dev.frond..").and(not(resideInAnyPackage(allowed))))
                .check(frond);
    }

    @Test
    void onlyHostCallsNativeCode() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.frond.host..")
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(Linker.class, SymbolLookup.class)
                .check(frond);
    }

    @Test
    void everyPackageIsNullMarked() {
        classes()
                .that()
                .haveSimpleName("package-info")
                .should()
                .beAnnotatedWith(NullMarked.class)
                .check(frond);
        Set<String> described = new TreeSet<>();
        Set<String> packages = new TreeSet<>();
        for (JavaClass type : frond) {
            packages.add(type.getPackageName());
            if (type.getSimpleName().equals("package-info")) {
                described.add(type.getPackageName());
            }
        }
        assertThat(described).isEqualTo(packages);
    }
}
