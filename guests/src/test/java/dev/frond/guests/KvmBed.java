// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import dev.frond.vmm.guest.CpioArchive;
import dev.frond.vmm.guest.Guest;

import org.jspecify.annotations.NullMarked;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/**
 * A test bed for KVM on hosts without one: QEMU emulates a processor with SVM, on which Debian's
 * cloud kernel runs with its module kvm-amd; an initramfs holds a Java runtime, Frond, and the
 * guest debian-tiny. What takes long to make is kept in {@code target}.
 */
@NullMarked
final class KvmBed {
    private static final Path WORK = Path.of("target", "kvm-bed").toAbsolutePath();
    private static final List<String> MODULES = List.of("irqbypass", "kvm", "kvm-amd");

    /** The dynamic linker and the libraries of C, where the runtime looks for them. */
    private static final String LIBRARIES = "lib/x86_64-linux-gnu";

    private static final List<String> LIBRARY_NAMES =
            List.of("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1");

    private static final String LINKER = "lib64/ld-linux-x86-64.so.2";

    private static final String INIT =
            """
            #!/bin/busybox sh
            /bin/busybox mkdir -p /proc /sys /dev /tmp
            /bin/busybox mount -t proc proc /proc
            /bin/busybox mount -t sysfs sys /sys
            /bin/busybox mount -t devtmpfs dev /dev
            /bin/busybox mount -t tmpfs tmp /tmp
            for module in irqbypass kvm kvm-amd; do
                /bin/busybox insmod /modules/$module.ko
            done
            echo "bed: $(/bin/busybox cut -d' ' -f1 /proc/uptime) s, $(/bin/busybox ls /dev/kvm)"
            export HOME=/tmp
            /bin/busybox dd if=/dev/zero of=/tmp/disk bs=4k count=1000
            /jre/bin/java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \\
                --enable-native-access=ALL-UNNAMED -cp /frond.jar \\
                dev.frond.guests.KvmBedProgram /guest/kernel /guest/initrd /tmp/disk IRQCHIPS 2>&1
            echo "bed: status $?"
            /bin/busybox poweroff -f
            """;

    /** Two processes that pass a byte to and fro, as often as the argument says. */
    private static final String SWITCHES =
            """
            #include <stdlib.h>
            #include <unistd.h>
            int main(int argc, char **argv) {
                int to[2], fro[2], n = atoi(argv[1]);
                char c = 0;
                if (pipe(to) || pipe(fro)) return 1;
                int child = fork() == 0;
                for (int i = 0; i < n; i++) {
                    if (!child && write(to[1], &c, 1) != 1) return 2;
                    if (read(child ? to[0] : fro[0], &c, 1) != 1) return 3;
                    if (child && write(fro[1], &c, 1) != 1) return 4;
                }
                return 0;
            }
            """;

    private final Path kernel;
    private final Path initramfs;

    private KvmBed(Path kernel, Path initramfs) {
        this.kernel = kernel;
        this.initramfs = initramfs;
    }

    /** Makes the bed, or what of it is not there yet. */
    static KvmBed make(Guest guest, List<String> irqChips)
            throws IOException, InterruptedException {
        String release = release(guest.bzImage());
        Path parts = Files.createDirectories(WORK.resolve(release));
        Path kernel = parts.resolve("vmlinuz");
        if (!Files.exists(kernel)) {
            unpackKernel(parts, release);
        }
        Path runtime = WORK.resolve("jre-" + Runtime.version().toString().replace('+', '-'));
        if (!Files.exists(runtime)) {
            link(runtime);
        }
        Path initramfs = parts.resolve("initramfs.cpio");
        try (CpioArchive archive = new CpioArchive(Files.newOutputStream(initramfs))) {
            fill(archive, parts, runtime, guest, String.join(" ", irqChips));
        }
        return new KvmBed(kernel, initramfs);
    }

    /** The release of a bzImage, from its header (Documentation/x86/boot.rst, kernel_version). */
    private static String release(Path bzImage) throws IOException {
        byte[] image = Files.readAllBytes(bzImage);
        int at = 0x200 + (image[0x20E] & 0xFF | (image[0x20F] & 0xFF) << 8);
        int end = at;
        while (image[end] != ' ') {
            end++;
        }
        return new String(image, at, end - at, StandardCharsets.US_ASCII);
    }

    private static void unpackKernel(Path parts, String release)
            throws IOException, InterruptedException {
        Path root = Tools.debianPackage(parts, "linux-image-" + release + "-unsigned");
        for (String module : MODULES) {
            try (Stream<Path> files = Files.walk(root.resolve("lib/modules"))) {
                Path file =
                        files.filter(each -> each.endsWith(module + ".ko"))
                                .findFirst()
                                .orElseThrow(() -> new IOException("no module " + module));
                Files.copy(file, parts.resolve(module + ".ko"));
            }
        }
        // Last, as the sign that all is there.
        Files.copy(root.resolve("boot/vmlinuz-" + release), parts.resolve("vmlinuz"));
    }

    private static void link(Path runtime) throws IOException, InterruptedException {
        Path made = runtime.resolveSibling(runtime.getFileName() + ".new");
        Tools.run(
                WORK,
                Path.of(System.getProperty("java.home"), "bin", "jlink").toString(),
                "--add-modules",
                "java.base,java.logging,jdk.unsupported",
                "--strip-debug",
                "--no-man-pages",
                "--no-header-files",
                "--generate-cds-archive",
                "--output",
                made.toString());
        Files.move(made, runtime);
    }

    private static void fill(
            CpioArchive archive, Path parts, Path runtime, Guest guest, String irqChips)
            throws IOException, InterruptedException {
        for (String directory :
                List.of("bin", "dev", "guest", "lib", LIBRARIES, "lib64", "modules")) {
            archive.directory(directory, 0755);
        }
        archive.file(
                "init", 0755, INIT.replace("IRQCHIPS", irqChips).getBytes(StandardCharsets.UTF_8));
        archive.file("bin/busybox", 0755, Files.readAllBytes(Path.of("/bin/busybox")));
        for (String module : MODULES) {
            String name = module + ".ko";
            archive.file("modules/" + name, 0644, Files.readAllBytes(parts.resolve(name)));
        }
        for (String library : LIBRARY_NAMES) {
            Path file = Path.of("/", LIBRARIES, library);
            if (Files.exists(file)) {
                archive.file(LIBRARIES + "/" + library, 0755, Files.readAllBytes(file));
            }
        }
        archive.file(LINKER, 0755, Files.readAllBytes(Path.of("/", LINKER)));
        archive.file("guest/kernel", 0644, Files.readAllBytes(guest.kernel()));
        archive.file("guest/initrd", 0644, Files.readAllBytes(initrd(parts, guest)));
        archive.file("frond.jar", 0644, Files.readAllBytes(jar(parts.resolve("frond.jar"))));
        archive.directory("jre", 0755);
        try (Stream<Path> files = Files.walk(runtime)) {
            for (Path file : files.filter(each -> !each.equals(runtime)).toList()) {
                String name = "jre/" + runtime.relativize(file);
                if (Files.isDirectory(file)) {
                    archive.directory(name, 0755);
                } else if (!name.startsWith("jre/legal")) {
                    archive.file(name, 0755, file);
                }
            }
        }
    }

    /** The guest's initramfs, and behind it another with a program that switches contexts. */
    private static Path initrd(Path parts, Guest guest) throws IOException, InterruptedException {
        Path source = Files.writeString(parts.resolve("switches.c"), SWITCHES);
        Path program = parts.resolve("switches");
        Tools.run(parts, "gcc", "-static", "-O2", "-o", program.toString(), source.toString());
        Path both = parts.resolve("guest-initrd.cpio");
        try (OutputStream out = Files.newOutputStream(both)) {
            Files.copy(guest.initrd(), out);
            try (CpioArchive archive = new CpioArchive(out)) {
                archive.file("switches", 0755, Files.readAllBytes(program));
            }
        }
        return both;
    }

    /** Frond's own classes, and the program. */
    private static Path jar(Path jar) throws IOException {
        try (OutputStream out = Files.newOutputStream(jar);
                JarOutputStream entries = new JarOutputStream(out)) {
            for (String entry :
                    System.getProperty("java.class.path").split(java.io.File.pathSeparator, -1)) {
                Path root = Path.of(entry);
                if (Files.isDirectory(root) && root.endsWith("classes")) {
                    addAll(entries, root);
                } else if (entry.endsWith(".jar")) {
                    addJar(entries, root);
                }
            }
            for (Class<?> program :
                    List.of(KvmBedProgram.class, BareKvm.class, BareKvm.End.class)) {
                String name = program.getName().replace('.', '/') + ".class";
                try (InputStream in = program.getResourceAsStream("/" + name)) {
                    entries.putNextEntry(new JarEntry(name));
                    if (in == null) {
                        throw new IOException("no class " + name);
                    }
                    in.transferTo(entries);
                }
            }
        }
        return jar;
    }

    /** What Maven has packaged already; others' jars hold nothing of Frond. */
    private static void addJar(JarOutputStream entries, Path file) throws IOException {
        try (JarFile jar = new JarFile(file.toFile())) {
            for (JarEntry entry : Collections.list(jar.entries())) {
                if (entry.getName().startsWith("dev/frond/") && !entry.isDirectory()) {
                    entries.putNextEntry(new JarEntry(entry.getName()));
                    try (InputStream in = jar.getInputStream(entry)) {
                        in.transferTo(entries);
                    }
                }
            }
        }
    }

    private static void addAll(JarOutputStream entries, Path root) throws IOException {
        try (Stream<Path> files = Files.walk(root.resolve("dev"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                entries.putNextEntry(new JarEntry(root.relativize(file).toString()));
                Files.copy(file, entries);
            }
        } catch (java.nio.file.NoSuchFileException e) {
            // A room without classes of its own.
            if (!String.valueOf(e.getFile()).endsWith("dev")) {
                throw e;
            }
        }
    }

    /** Starts it, and returns what it said when it has switched itself off. */
    String run(Duration timeout) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("qemu-system-x86_64"));
        command.addAll(List.of("-accel", "tcg,tb-size=512", "-machine", "q35", "-cpu", "max"));
        command.addAll(List.of("-smp", "1", "-m", "1536", "-nodefaults", "-no-user-config"));
        command.addAll(List.of("-display", "none", "-serial", "stdio", "-monitor", "none"));
        command.addAll(List.of("-no-reboot", "-kernel", kernel.toString()));
        command.addAll(List.of("-initrd", initramfs.toString(), "-append"));
        // A host that is busy lets the kernel's check of its timer fail.
        command.add("console=ttyS0 panic=-1 nokaslr mitigations=off no_timer_check quiet");
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        Thread alarm =
                Thread.ofVirtual()
                        .start(() -> {
                            try {
                                if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                                    process.destroyForcibly();
                                }
                            } catch (InterruptedException e) {
                                process.destroyForcibly();
                            }
                        });
        try (InputStream out = process.getInputStream()) {
            return new String(out.readAllBytes(), StandardCharsets.UTF_8);
        } finally {
            alarm.interrupt();
            process.waitFor();
        }
    }
}
