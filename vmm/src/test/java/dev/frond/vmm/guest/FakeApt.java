// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;

/**
 * An apt-get and an apt-cache that serve packages out of a directory and fail on command. The
 * packages are real ones, built and unpacked by the host's dpkg-deb.
 */
final class FakeApt {
    static final String RELEASE = "6.1.0-1-test";

    private static final String APT_CACHE =
            """
            #!/bin/sh
            # apt-cache [-o OPTION]... show --no-all-versions NAME, or show NAME=VERSION...
            root=ROOT
            lists=$root/lists
            while [ "$1" = -o ]; do
                case $2 in Dir::State::Lists=*) lists=$root/newer;; esac
                shift 2
            done
            case $2 in
                *=*)
                    shift
                    for each; do
                        cat "$lists/${each%%=*}"
                    done
                    exit
                    ;;
            esac
            [ -e "$lists/$3" ] || { echo "N: Unable to locate package $3"; echo "E: No packages found"; exit 100; }
            cat "$lists/$3"
            """;

    private static final String APT_GET =
            """
            #!/bin/sh
            # apt-get [-o OPTION]... -q download NAME=VERSION... | update | -s -y install NAME...
            root=ROOT
            lists=
            status=/var/lib/dpkg/status
            while [ "$1" = -o ]; do
                case $2 in
                    Dir::State::Lists=*) lists=${2#*=} ;;
                    Dir::State::status=*) status=${2#*=} ;;
                esac
                shift 2
            done
            shift
            if [ "$1" = -s ]; then
                shift 3
                [ ! -s "$status" ] || { echo 'E: not on an empty system'; exit 100; }
                from=$root/lists
                [ -z "$lists" ] || from=$root/newer
                for each in libtest "$@"; do
                    [ -e "$from/$each" ] || { echo "E: Unable to locate package $each"; exit 100; }
                    version=$(sed -n '/^Version: /{s///p;q}' "$from/$each")
                    echo "Inst $each ($version Test:1/stable [amd64])"
                done
                exit
            fi
            command=$1
            shift
            echo "$command" >>"$root/calls"
            if [ -e "$root/fail-$command" ]; then
                . "$root/fail-$command"
            fi
            case $command in
                update)
                    [ ! -d "$root/newer" ] || : >"$lists/debian_main_binary-amd64_Packages"
                    ;;
                download)
                    for each; do
                        cp "$root/pool/${each%%=*}_"*.deb .
                    done
                    ;;
            esac
            """;

    final Path root;

    /** Programs in {@code root}/bin that serve packages which {@link #serve} puts there. */
    FakeApt(Path root) throws IOException {
        this.root = root;
        for (String directory : List.of("bin", "lists", "pool")) {
            Files.createDirectories(root.resolve(directory));
        }
        program("apt-cache", APT_CACHE.replace("ROOT", root.toString()));
        program("apt-get", APT_GET.replace("ROOT", root.toString()));
    }

    /** A value for the variable PATH with the fake programs first. */
    String path() {
        return root.resolve("bin") + ":" + System.getenv("PATH");
    }

    /** Makes the packages that debian-tiny is made of and lists them. */
    void serve(String version) throws Exception {
        Path kernel = Files.createDirectories(root.resolve("tree-kernel"));
        file(
                kernel,
                "boot/vmlinuz-" + RELEASE,
                ("kernel " + version).getBytes(StandardCharsets.UTF_8));
        file(kernel, "lib/modules/" + RELEASE + "/kernel/virtio.ko", ElfFiles.module("depends="));
        Path busybox = Files.createDirectories(root.resolve("tree-busybox"));
        file(busybox, "bin/busybox", ElfFiles.busybox(ElfFiles.applets()));
        Path meta = Files.createDirectories(root.resolve("tree-meta"));
        list(
                "linux-image-cloud-amd64",
                version,
                "linux-image-" + RELEASE + " (= " + version + ")",
                meta);
        list(
                "linux-image-" + RELEASE,
                version,
                "kmod, initramfs-tools | linux-initramfs-tool",
                kernel);
        list("busybox-static", "1:1.35", "", busybox);
    }

    /** Makes the packages of a whole system, which all depend on libtest. */
    void serveSystem(List<String> names) throws Exception {
        Path tree = Files.createDirectories(root.resolve("tree-system"));
        file(tree, "etc/test", "a file".getBytes(StandardCharsets.UTF_8));
        list("libtest", "1:2.0", "", tree);
        for (String name : names) {
            if (!Files.exists(root.resolve("lists").resolve(name))) {
                list(name, "1.0", "libtest", tree);
            }
        }
    }

    /** The shell commands that the next {@code apt-get} of this kind runs first. */
    void fail(String command, String script) throws IOException {
        Files.writeString(root.resolve("fail-" + command), script);
    }

    void recover(String command) throws IOException {
        Files.delete(root.resolve("fail-" + command));
    }

    /** Changes a package's record. */
    void edit(String name, String pattern, String replacement) throws IOException {
        Path record = root.resolve("lists").resolve(name);
        Files.writeString(record, Files.readString(record).replaceAll(pattern, replacement));
    }

    /** What apt-get was called for, in order. */
    List<String> calls() throws IOException {
        Path calls = root.resolve("calls");
        return Files.exists(calls) ? Files.readAllLines(calls) : List.of();
    }

    private void list(String name, String version, String depends, Path tree) throws Exception {
        file(
                tree,
                "DEBIAN/control",
                """
                Package: %s
                Version: %s
                Architecture: all
                Maintainer: Nobody <nobody@example.org>
                Description: for a test
                """
                        .formatted(name, version)
                        .getBytes(StandardCharsets.UTF_8));
        Path file =
                root.resolve("pool")
                        .resolve(name + "_" + version.replace(":", "%3a") + "_amd64.deb");
        Programs.run(
                root,
                Optional.empty(),
                List.of("dpkg-deb", "-Zgzip", "--build", tree.toString(), file.toString()));
        Files.writeString(
                root.resolve("lists").resolve(name),
                """
                Package: %s
                Version: %s
                Depends: %s
                Description: for a test
                 with a second line: and a colon
                Size: %d
                SHA256: %s

                Package: %s
                Version: 0-older
                """
                        .formatted(
                                name,
                                version,
                                depends,
                                Files.size(file),
                                Digests.sha256(file),
                                name));
    }

    private static void file(Path tree, String path, byte[] contents) throws IOException {
        Path file = tree.resolve(path);
        Files.createDirectories(file.getParent());
        Files.write(file, contents);
    }

    private void program(String name, String text) throws IOException {
        Path file = root.resolve("bin").resolve(name);
        Files.writeString(file, text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }
}
