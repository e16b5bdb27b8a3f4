// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The loadable modules of one kernel: a directory /lib/modules/RELEASE, without what depmod adds.
 */
final class KernelModules {
    private final Path root;
    private final Map<String, Path> files;

    private KernelModules(Path root, Map<String, Path> files) {
        this.root = root;
        this.files = files;
    }

    /** The uncompressed modules below {@code root}; none if there is no such directory. */
    static KernelModules in(Path root) throws IOException {
        Map<String, Path> files = new TreeMap<>();
        if (Files.isDirectory(root)) {
            try (Stream<Path> walk = Files.walk(root)) {
                for (Path file :
                        (Iterable<Path>) walk.filter(Files::isRegularFile).sorted()::iterator) {
                    KernelModule.nameOf(file).ifPresent(name -> files.putIfAbsent(name, file));
                }
            }
        }
        return new KernelModules(root, files);
    }

    /**
     * The modules of these names and all that they need, each after what it needs. A name that is
     * not here is passed over: this kernel has the thing built in, or not at all.
     */
    List<KernelModule> closure(List<String> names) throws IOException {
        SequencedMap<String, KernelModule> chosen = new LinkedHashMap<>();
        for (String name : names) {
            choose(name, chosen, new ArrayList<>());
        }
        return List.copyOf(chosen.values());
    }

    private void choose(String name, Map<String, KernelModule> chosen, List<String> path)
            throws IOException {
        Path file = files.get(name);
        if (file == null || chosen.containsKey(name) || path.contains(name)) {
            return;
        }
        KernelModule module = KernelModule.read(root, file);
        path.add(name);
        for (String needed : module.depends()) {
            choose(needed, chosen, path);
        }
        path.removeLast();
        chosen.put(name, module);
    }

    /**
     * The text of modules.dep (modules.dep(5)) for modules in the order of {@link #closure}: each
     * with everything it needs; modprobe loads a line from its right end.
     */
    static String dependencies(List<KernelModule> modules) {
        Map<String, KernelModule> byName = new TreeMap<>();
        modules.forEach(module -> byName.put(module.name(), module));
        StringBuilder text = new StringBuilder();
        for (KernelModule module : modules) {
            Set<String> needed = new HashSet<>();
            collect(module, byName, needed);
            text.append(module.path()).append(':');
            for (KernelModule other : modules.reversed()) {
                if (!other.name().equals(module.name()) && needed.contains(other.name())) {
                    text.append(' ').append(other.path());
                }
            }
            text.append('\n');
        }
        return text.toString();
    }

    private static void collect(
            KernelModule module, Map<String, KernelModule> byName, Set<String> needed) {
        for (String name : module.depends()) {
            KernelModule direct = byName.get(name);
            if (direct != null && needed.add(name)) {
                collect(direct, byName, needed);
            }
        }
    }

    /** The text of modules.alias: which module serves which device. */
    static String aliases(List<KernelModule> modules) {
        StringBuilder text = new StringBuilder();
        for (KernelModule module : modules) {
            for (String alias : module.aliases()) {
                text.append("alias ").append(alias).append(' ').append(module.name()).append('\n');
            }
        }
        return text.toString();
    }
}
