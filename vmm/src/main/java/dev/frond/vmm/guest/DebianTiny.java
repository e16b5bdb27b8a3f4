// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Debian's kernel for virtual machines and busybox, both out of the packages that the host's apt
 * offers.
 */
final class DebianTiny implements GuestSource {
    static final String NAME = "debian-tiny";

    private final String path;

    /**
     * With the apt that is found in {@code path}, directories separated as in the variable PATH.
     */
    DebianTiny(String path) {
        this.path = path;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        return "Debian's cloud kernel and busybox: a root shell in seconds";
    }

    @Override
    public String commandLine() {
        return TinyInitramfs.COMMAND_LINE;
    }

    @Override
    public String recipe() throws IOException {
        return TinyInitramfs.recipe();
    }

    @Override
    public boolean isAtHand() {
        return false;
    }

    @Override
    public boolean hasDisk() {
        return false;
    }

    @Override
    public Plan plan(Path work, GuestProgress progress) throws GuestException {
        return plan(Apt.need(path, work, NAME), work, progress);
    }

    private static Plan plan(Apt apt, Path work, GuestProgress progress) throws GuestException {
        progress.step("Looking up packages");
        Optional<KernelParts> parts = KernelParts.find(apt);
        if (parts.isEmpty()) {
            apt.update(progress);
            parts = KernelParts.find(apt);
        }
        if (parts.isEmpty()) {
            throw Apt.nowhere(KernelParts.WANTED);
        }
        return new AptPlan(apt, work, parts.get());
    }

    private record AptPlan(Apt apt, Path work, KernelParts parts) implements Plan {
        @Override
        public String version() {
            return parts.image().plainVersion() + "_busybox-" + parts.busybox().plainVersion();
        }

        @Override
        public void make(Made made, GuestProgress progress) throws GuestException, IOException {
            List<Path> files;
            try {
                files = apt.download(parts.all(), progress);
            } catch (GuestException e) {
                if (!apt.isOutOfDate(e)) {
                    throw e;
                }
                apt.renew(progress);
                plan(apt, work, progress).make(made, progress);
                return;
            }
            progress.step("Building the guest's initramfs");
            KernelParts.Unpacked unpacked = KernelParts.unpack(apt, files, work.resolve("root"));
            TinyInitramfs.write(
                    made.initrd(),
                    NAME,
                    unpacked.release(),
                    KernelModules.in(unpacked.modules()),
                    Files.readAllBytes(unpacked.busybox()));
            Files.move(unpacked.kernel(), made.kernel());
        }
    }
}
