// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A Debian package as apt's metadata describes it (deb-control(5)).
 *
 * @param version with epoch and revision
 * @param depends the names in the field Depends, without versions; of alternatives the first
 * @param size of the file in bytes
 * @param sha256 of the file, 64 hexadecimal digits
 */
record AptPackage(String name, String version, List<String> depends, long size, String sha256) {
    AptPackage {
        depends = List.copyOf(depends);
    }

    /** The version without its epoch, fit for a file name. */
    String plainVersion() {
        return version.substring(version.indexOf(':') + 1);
    }

    /** What apt-get calls this very version. */
    String pinned() {
        return name + "=" + version;
    }

    /**
     * The first record of what {@code apt-cache show} prints; empty if it lacks what a download
     * needs, as the record of an installed package does that no repository has.
     */
    static Optional<AptPackage> parse(String text) {
        Map<String, String> fields = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String line : text.split("\n", -1)) {
            if (line.isBlank()) {
                break;
            }
            int colon = line.indexOf(':');
            // A line that begins with a blank goes on with the field before; no field that is read
            // here does.
            if (colon > 0 && !Character.isWhitespace(line.charAt(0))) {
                fields.put(line.substring(0, colon), line.substring(colon + 1).strip());
            }
        }
        String name = fields.getOrDefault("Package", "");
        String version = fields.getOrDefault("Version", "");
        String size = fields.getOrDefault("Size", "");
        String sha256 = fields.getOrDefault("SHA256", "");
        if (name.isEmpty()
                || !version.matches("[0-9A-Za-z.+:~-]{1,128}")
                || !size.matches("[0-9]{1,12}")
                || !sha256.matches("[0-9a-f]{64}")) {
            return Optional.empty();
        }
        return Optional.of(
                new AptPackage(
                        name,
                        version,
                        dependencies(fields.getOrDefault("Depends", "")),
                        Long.parseLong(size),
                        sha256));
    }

    /**
     * All records of what {@code apt-cache show} prints, without those that {@link #parse} drops.
     */
    static List<AptPackage> parseAll(String text) {
        return Stream.of(text.split("\n\n", -1)).flatMap(each -> parse(each).stream()).toList();
    }

    private static List<String> dependencies(String field) {
        return List.of(field.split(",", -1)).stream()
                .map(each -> each.strip().split("[\\s:(|]", 2)[0])
                .filter(each -> !each.isEmpty())
                .toList();
    }
}
