// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import static dev.frond.machine.vcpu.CpuFeature.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * A CPU model as text: a name, then features that are added or taken away, {@code
 * x86-64-v3,-bmi2,kvm=off}. The names of features are those that QEMU has for them, so that people
 * need not learn others; {@code kvm} is all paravirtual ones.
 */
final class CpuSwitches {
    private CpuSwitches() {}

    /** Names that do not follow from the constant's. */
    private static final Map<CpuFeature, String> NAMES =
            new EnumMap<>(
                    Map.ofEntries(
                            Map.entry(CLFSH, "clflush"),
                            Map.entry(SSE4_1, "sse4.1"),
                            Map.entry(SSE4_2, "sse4.2"),
                            Map.entry(SHA, "sha-ni"),
                            Map.entry(LAHF64, "lahf-lm"),
                            Map.entry(PREFETCHW, "3dnowprefetch"),
                            Map.entry(FFXSR, "fxsr-opt"),
                            Map.entry(INVARIANT_TSC, "invtsc"),
                            Map.entry(KVM_CLOCKSOURCE, "kvmclock"),
                            Map.entry(KVM_CLOCKSOURCE2, "kvmclock2"),
                            Map.entry(KVM_CLOCKSOURCE_STABLE, "kvmclock-stable-bit"),
                            Map.entry(KVM_NOP_IO_DELAY, "kvm-nopiodelay")));

    private static final Set<CpuFeature> KVM =
            Arrays.stream(CpuFeature.values())
                    .filter(CpuFeature::isKvm)
                    .collect(Collectors.toUnmodifiableSet());

    private static final Map<String, Set<CpuFeature>> BY_NAME = byName();

    /** Without these no operating system starts: x86-64-v1, and what the board relies on. */
    private static final Set<CpuFeature> NEEDED =
            EnumSet.of(
                    FPU, TSC, MSR, PAE, CX8, APIC, PGE, CMOV, PAT, CLFSH, MMX, FXSR, SSE, SSE2,
                    SYSCALL, NX, LM);

    /** What a feature cannot be without. */
    private static final Map<CpuFeature, Set<CpuFeature>> BASES =
            new EnumMap<>(
                    Map.ofEntries(
                            Map.entry(SSSE3, EnumSet.of(SSE3)),
                            Map.entry(SSE4_1, EnumSet.of(SSSE3)),
                            Map.entry(SSE4_2, EnumSet.of(SSE4_1)),
                            Map.entry(AVX, EnumSet.of(XSAVE, SSE4_2)),
                            Map.entry(AVX2, EnumSet.of(AVX)),
                            Map.entry(FMA, EnumSet.of(AVX)),
                            Map.entry(F16C, EnumSet.of(AVX)),
                            Map.entry(XSAVEOPT, EnumSet.of(XSAVE)),
                            Map.entry(XSAVEC, EnumSet.of(XSAVE)),
                            Map.entry(XGETBV1, EnumSet.of(XSAVE)),
                            Map.entry(XSAVES, EnumSet.of(XSAVEC)),
                            Map.entry(PKU, EnumSet.of(XSAVE)),
                            Map.entry(SSE4A, EnumSet.of(SSE3)),
                            Map.entry(INVPCID, EnumSet.of(PCID)),
                            Map.entry(KVM_CLOCKSOURCE_STABLE, EnumSet.of(KVM_CLOCKSOURCE2)),
                            Map.entry(KVM_CLOCKSOURCE, EnumSet.of(HYPERVISOR)),
                            Map.entry(KVM_NOP_IO_DELAY, EnumSet.of(HYPERVISOR)),
                            Map.entry(KVM_CLOCKSOURCE2, EnumSet.of(HYPERVISOR)),
                            Map.entry(KVM_STEAL_TIME, EnumSet.of(HYPERVISOR)),
                            Map.entry(KVM_PV_EOI, EnumSet.of(HYPERVISOR)),
                            Map.entry(KVM_POLL_CONTROL, EnumSet.of(HYPERVISOR))));

    private static Map<String, Set<CpuFeature>> byName() {
        Map<String, Set<CpuFeature>> names = new TreeMap<>();
        for (CpuFeature feature : CpuFeature.values()) {
            names.put(name(feature), EnumSet.of(feature));
        }
        names.put("pni", EnumSet.of(SSE3));
        names.put("kvmclock", EnumSet.of(KVM_CLOCKSOURCE, KVM_CLOCKSOURCE2));
        names.remove("kvmclock2");
        names.put("kvm", KVM);
        return names;
    }

    private static String name(CpuFeature feature) {
        String other = NAMES.get(feature);
        return other != null ? other : feature.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** The names of the features in the order of the constants. */
    static String names(Set<CpuFeature> features) {
        return features.stream().sorted().map(CpuSwitches::name).collect(Collectors.joining(", "));
    }

    /**
     * The model that {@code text} describes.
     *
     * @throws IllegalArgumentException if it describes none; the message names the part and says
     *     what is accepted
     */
    static CpuModel parse(String text) {
        List<String> parts = List.of(text.split(",", -1));
        CpuModel base =
                CpuModel.named(parts.getFirst())
                        .orElseThrow(() ->
                                new IllegalArgumentException(
                                        "'"
                                                + parts.getFirst()
                                                + "' is not accepted; accepted: "
                                                + CpuModel.all().stream()
                                                        .map(CpuModel::name)
                                                        .collect(Collectors.joining(", "))));
        Set<CpuFeature> features = EnumSet.copyOf(base.features());
        Set<CpuFeature> asked = EnumSet.noneOf(CpuFeature.class);
        for (String part : parts.subList(1, parts.size())) {
            Switch each = Switch.of(part);
            if (each.on) {
                features.addAll(each.features);
                asked.addAll(each.features);
            } else {
                remove(part, features, each.features);
                asked.removeAll(each.features);
            }
        }
        for (CpuFeature feature : asked) {
            Set<CpuFeature> missing = EnumSet.copyOf(BASES.getOrDefault(feature, Set.of(feature)));
            missing.removeAll(features);
            if (!features.contains(feature) || !missing.isEmpty()) {
                throw new IllegalArgumentException(
                        "'" + name(feature) + "' needs " + names(missing));
            }
        }
        return new CpuModel(
                base.name() + difference(base.features(), features),
                base.vendor(),
                base.family(),
                base.model(),
                base.stepping(),
                base.brand(),
                features);
    }

    /** What {@code features} need and lack. */
    static Set<CpuFeature> lacking(Set<CpuFeature> features) {
        Set<CpuFeature> lacking = EnumSet.noneOf(CpuFeature.class);
        for (CpuFeature feature : features) {
            lacking.addAll(BASES.getOrDefault(feature, Set.of()));
        }
        lacking.removeAll(features);
        return lacking;
    }

    /** Takes features away, and those that cannot be without them. */
    private static void remove(String part, Set<CpuFeature> from, Set<CpuFeature> gone) {
        for (CpuFeature feature : gone) {
            if (NEEDED.contains(feature)) {
                throw new IllegalArgumentException(
                        "'" + part + "' is not accepted: no machine works without it");
            }
        }
        from.removeAll(gone);
        boolean more = true;
        while (more) {
            more =
                    from.removeIf(
                            feature -> !from.containsAll(BASES.getOrDefault(feature, Set.of())));
        }
    }

    /** What {@link #parse} would have to read after the model's name. */
    private static String difference(Set<CpuFeature> base, Set<CpuFeature> features) {
        List<String> words = new ArrayList<>();
        Set<CpuFeature> changed = EnumSet.noneOf(CpuFeature.class);
        for (CpuFeature feature : CpuFeature.values()) {
            if (base.contains(feature) != features.contains(feature)) {
                changed.add(feature);
            }
        }
        boolean noKvm = base.containsAll(KVM) && features.stream().noneMatch(CpuFeature::isKvm);
        if (noKvm) {
            words.add("kvm=off");
            changed.removeAll(KVM);
        }
        for (CpuFeature feature : changed) {
            String name = feature == KVM_CLOCKSOURCE2 ? "kvmclock" : name(feature);
            String word = name + (features.contains(feature) ? "=on" : "=off");
            if (!words.contains(word)) {
                words.add(word);
            }
        }
        return words.stream().map(word -> "," + word).collect(Collectors.joining());
    }

    /** One part behind the name: {@code +f}, {@code -f}, {@code f}, {@code f=on}, {@code f=off}. */
    private record Switch(Set<CpuFeature> features, boolean on) {
        static Switch of(String part) {
            boolean on = true;
            String name = part;
            if (part.startsWith("+") || part.startsWith("-")) {
                on = part.startsWith("+");
                name = part.substring(1);
            } else if (part.contains("=")) {
                String value = part.substring(part.indexOf('=') + 1);
                if (!value.equals("on") && !value.equals("off")) {
                    throw new IllegalArgumentException(
                            "'" + part + "' is not accepted; accepted after =: on, off");
                }
                on = value.equals("on");
                name = part.substring(0, part.indexOf('='));
            }
            String known = name.toLowerCase(Locale.ROOT).replace('_', '-');
            Set<CpuFeature> features = BY_NAME.get(known);
            if (features == null) {
                features = BY_NAME.get(known.replace("sse4-", "sse4."));
            }
            if (features == null) {
                throw new IllegalArgumentException(
                        "'"
                                + part
                                + "' is not accepted; accepted, with +, -, =on or =off: "
                                + String.join(", ", BY_NAME.keySet()));
            }
            return new Switch(features, on);
        }
    }
}
