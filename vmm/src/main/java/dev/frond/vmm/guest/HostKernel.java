// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;

/** The kernel that the host itself runs, with the host's static busybox. */
final class HostKernel implements GuestSource {
    static final String NAME = "host";

    private static final List<String> BUSYBOX =
            List.of(
                    "bin/busybox",
                    "usr/bin/busybox",
                    "bin/busybox.static",
                    "usr/bin/busybox-static");

    private final Path root;

    /** The host whose files are below {@code root}, normally "/". */
    HostKernel(Path root) {
        this.root = root;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        return "this host's own kernel and its static busybox";
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
        return true;
    }

    @Override
    public boolean hasDisk() {
        return false;
    }

    @Override
    public Plan plan(Path work, GuestProgress progress) throws GuestException {
        String release = release();
        Path kernel = root.resolve("boot/vmlinuz-" + release);
        if (!Files.isRegularFile(kernel)) {
            throw new GuestException(
                    "the guest 'host' needs the host's kernel, but there is no file " + kernel);
        }
        if (!Files.isReadable(kernel)) {
            throw new GuestException(
                    kernel
                            + ": permission denied; copy it with root's help and use --kernel, or"
                            + " use debian-tiny");
        }
        Path busybox = busybox();
        try {
            String version =
                    "%s_%x-%x_busybox-%x-%x"
                            .formatted(
                                    release,
                                    Files.getLastModifiedTime(kernel).toMillis(),
                                    Files.size(kernel),
                                    Files.getLastModifiedTime(busybox).toMillis(),
                                    Files.size(busybox));
            return new HostPlan(kernel, modules(release), busybox, release, version);
        } catch (IOException e) {
            throw GuestException.of("cannot read the host's kernel", e);
        }
    }

    private String release() throws GuestException {
        Path file = root.resolve("proc/sys/kernel/osrelease");
        try {
            String release = Files.readString(file).strip();
            if (release.matches("[0-9A-Za-z.+~_-]{1,128}")) {
                return release;
            }
            throw new GuestException(file + " holds no kernel release");
        } catch (IOException e) {
            throw new GuestException("the guest 'host' needs a Linux host");
        }
    }

    private Path modules(String release) {
        Path modules = root.resolve("lib/modules").resolve(release);
        return Files.isDirectory(modules)
                ? modules
                : root.resolve("usr/lib/modules").resolve(release);
    }

    private Path busybox() throws GuestException {
        Optional<Path> dynamic = Optional.empty();
        for (String path : BUSYBOX) {
            Path file = root.resolve(path);
            try {
                if (Files.isRegularFile(file)) {
                    if (Busybox.isUsable(Files.readAllBytes(file))) {
                        return file;
                    }
                    dynamic = Optional.of(file);
                }
            } catch (IOException e) {
                throw GuestException.of("cannot read busybox", e);
            }
        }
        throw new GuestException(
                dynamic.map(file -> file + " is not a static busybox for x86-64")
                                .orElse("this host has no busybox")
                        + "; install the package busybox-static");
    }

    private record HostPlan(Path kernel, Path modules, Path busybox, String release, String version)
            implements Plan {
        @Override
        public void make(Made made, GuestProgress progress) throws IOException {
            progress.step("Building the guest's initramfs");
            TinyInitramfs.write(
                    made.initrd(),
                    NAME,
                    release,
                    KernelModules.in(modules),
                    Files.readAllBytes(busybox));
            Files.copy(kernel, made.kernel(), StandardCopyOption.REPLACE_EXISTING);
        }
    }
}
