// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.BufferedOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;

/**
 * A whole small Linux system in an initramfs: busybox, its init with a root shell on the console,
 * and the kernel's modules for the devices that a virtual machine has. Its configuration files are
 * resources in the directory {@code tiny} beside this class, with the same paths that they have in
 * the guest.
 */
final class TinyInitramfs {
    /**
     * The console, from the kernel's first line on; and no self-tests of the kernel's cryptography,
     * which are half of all instructions of a boot
     * (Documentation/admin-guide/kernel-parameters.txt, earlycon and cryptomgr.notests).
     */
    static final String COMMAND_LINE =
            "console=ttyS0 earlycon=uart8250,io,0x3f8 cryptomgr.notests mitigations=off";

    /**
     * Modules that are loaded when the machine has the device, or when a program asks for the
     * service.
     */
    private static final List<String> MODULES =
            List.of(
                    "virtio_mmio",
                    "virtio_pci",
                    "virtio_blk",
                    "virtio_rng",
                    "virtio_net",
                    "virtio_console",
                    "virtio_balloon",
                    "loop",
                    "ext4",
                    "crc32c_generic",
                    "vfat",
                    "nls_cp437",
                    "nls_ascii",
                    "nls_iso8859_1",
                    "isofs",
                    "overlay",
                    "squashfs");

    /** To be changed with what this class or {@link LinuxPayload} makes of the same parts. */
    private static final byte FORMAT = 1;

    private static final List<String> SCRIPTS =
            List.of(
                    "etc/init.d/console",
                    "etc/init.d/rcK",
                    "etc/init.d/rcS",
                    "usr/share/udhcpc/default.script");

    private static final List<String> FILES =
            List.of(
                    "etc/fstab",
                    "etc/group",
                    "etc/hosts",
                    "etc/inittab",
                    "etc/os-release",
                    "etc/passwd",
                    "etc/profile",
                    "etc/shells");

    private TinyInitramfs() {}

    /**
     * Writes the archive.
     *
     * @param hostname the guest's name for itself
     * @param release the kernel's release, as uname -r gives it
     * @param modules that kernel's modules
     * @param busybox a program that {@link Busybox#isUsable} accepts
     */
    static void write(
            Path target, String hostname, String release, KernelModules modules, byte[] busybox)
            throws IOException {
        try (CpioArchive archive =
                new CpioArchive(new BufferedOutputStream(Files.newOutputStream(target), 1 << 16))) {
            directories(archive, release);
            // The kernel opens it for init before anything is mounted.
            archive.characterDevice("dev/console", 0600, 5, 1);
            archive.characterDevice("dev/null", 0666, 1, 3);
            archive.file("usr/bin/busybox", 0755, busybox);
            for (String applet : Busybox.applets(busybox)) {
                if (!applet.equals("busybox")) {
                    archive.symlink("usr/bin/" + applet, "busybox");
                }
            }
            archive.symlink("init", "usr/bin/busybox");
            archive.symlink("etc/mtab", "../proc/self/mounts");
            archive.file("etc/hostname", 0644, (hostname + "\n").getBytes(StandardCharsets.UTF_8));
            for (String path : SCRIPTS) {
                archive.file(path, 0755, resource(path));
            }
            for (String path : FILES) {
                archive.file(path, 0644, resource(path));
            }
            modules(archive, "usr/lib/modules/" + release, modules.closure(MODULES));
        }
    }

    /**
     * Changes when this class or a configuration file would make another archive of the same parts.
     */
    static String recipe() throws IOException {
        MessageDigest digest = Digests.sha256();
        digest.update(FORMAT);
        digest.update(String.join("\n", MODULES).getBytes(StandardCharsets.UTF_8));
        List<String> paths = new ArrayList<>(SCRIPTS);
        paths.addAll(FILES);
        for (String path : paths) {
            digest.update(path.getBytes(StandardCharsets.UTF_8));
            digest.update(resource(path));
        }
        return Digests.hex(digest).substring(0, 8);
    }

    private static void directories(CpioArchive archive, String release) throws IOException {
        for (String path :
                List.of("dev", "etc", "etc/init.d", "mnt", "opt", "proc", "run", "srv", "sys")) {
            archive.directory(path, 0755);
        }
        archive.directory("root", 0700);
        archive.directory("tmp", 01777);
        for (String path :
                List.of(
                        "usr",
                        "usr/bin",
                        "usr/lib",
                        "usr/lib/modules",
                        "usr/lib/modules/" + release,
                        "usr/share",
                        "usr/share/udhcpc",
                        "var",
                        "var/lib",
                        "var/log",
                        "var/spool")) {
            archive.directory(path, 0755);
        }
        archive.directory("var/tmp", 01777);
        // One directory of programs under all its customary names.
        archive.symlink("bin", "usr/bin");
        archive.symlink("sbin", "usr/bin");
        archive.symlink("usr/sbin", "bin");
        archive.symlink("lib", "usr/lib");
        archive.symlink("var/run", "../run");
    }

    private static void modules(CpioArchive archive, String root, List<KernelModule> modules)
            throws IOException {
        List<String> made = new ArrayList<>();
        for (KernelModule module : modules) {
            for (int slash = module.path().indexOf('/');
                    slash >= 0;
                    slash = module.path().indexOf('/', slash + 1)) {
                String directory = module.path().substring(0, slash);
                if (!made.contains(directory)) {
                    archive.directory(root + "/" + directory, 0755);
                    made.add(directory);
                }
            }
            archive.file(root + "/" + module.path(), 0644, module.file());
        }
        archive.file(root + "/modules.dep", 0644, text(KernelModules.dependencies(modules)));
        archive.file(root + "/modules.alias", 0644, text(KernelModules.aliases(modules)));
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] resource(String path) throws IOException {
        try (InputStream in = TinyInitramfs.class.getResourceAsStream("tiny/" + path)) {
            if (in == null) {
                throw new FileNotFoundException("the build lacks the resource tiny/" + path);
            }
            return in.readAllBytes();
        }
    }
}
