// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.smbios;

import java.util.UUID;

/**
 * What a machine says of itself.
 *
 * @param product the model, for example the board's name
 * @param version of Frond
 * @param uuid all zeroes if the machine has none
 * @param cpus 1 to 65535, all cores of one socket
 * @param cpuVersion the processor's name
 * @param lowMemory bytes of RAM from address 0 on, a multiple of 4 KiB
 * @param highMemory bytes of RAM from 4 GiB on, a multiple of 4 KiB
 */
public record SmbiosSpec(
        String product,
        String version,
        UUID uuid,
        int cpus,
        String cpuVersion,
        long lowMemory,
        long highMemory) {
    public SmbiosSpec {
        checkText("product", product);
        checkText("version", version);
        checkText("CPU version", cpuVersion);
        if (cpus < 1 || cpus > 0xFFFF) {
            throw new IllegalArgumentException(
                    "SMBIOS: " + cpus + " CPUs: accepted are 1 to 65535");
        }
        checkMemory("low memory", lowMemory, 1L << 32);
        checkMemory("high memory", highMemory, 1L << 50);
        if (lowMemory == 0) {
            throw new IllegalArgumentException("SMBIOS: low memory of 0 bytes");
        }
    }

    private static void checkText(String what, String text) {
        if (!text.matches("[ -~]{1,64}") || text.isBlank()) {
            throw new IllegalArgumentException(
                    "SMBIOS: "
                            + what
                            + " '"
                            + text
                            + "': accepted are 1 to 64 printable ASCII characters");
        }
    }

    private static void checkMemory(String what, long bytes, long most) {
        if (bytes < 0 || bytes > most || bytes % 4096 != 0) {
            throw new IllegalArgumentException(
                    "SMBIOS: "
                            + what
                            + " of "
                            + bytes
                            + " bytes: accepted are multiples of 4096 up to "
                            + most);
        }
    }
}
