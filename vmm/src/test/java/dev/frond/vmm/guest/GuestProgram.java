// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.file.Path;
import java.util.List;

/** Obtains debian-tiny in a process of its own: arguments are the cache and the PATH. */
final class GuestProgram {
    private GuestProgram() {}

    public static void main(String[] args) throws Exception {
        new GuestCatalog(Path.of(args[0]), List.of(new DebianTiny(args[1])))
                .get("debian-tiny", GuestProgress.SILENT);
    }
}
