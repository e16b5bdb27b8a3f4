// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.assertj.core.api.ThrowableAssertAlternative;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

class GuestCatalogTest {
    private static final String NAME = "debian-tiny";

    @TempDir Path directory;
    private FakeApt apt;
    private GuestCatalog catalog;

    @BeforeEach
    void serve() throws Exception {
        assumeThat(Programs.find("dpkg-deb")).as("dpkg-deb, which every Debian has").isPresent();
        apt = new FakeApt(Files.createDirectory(directory.resolve("apt")));
        apt.serve("6.1-1");
        catalog = catalog();
    }

    @Test
    void aGuestIsMadeOnceAndThenComesOutOfTheCache() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);
        Guest cached = catalog.obtain(NAME, GuestProgress.SILENT);

        assertThat(apt.calls()).containsExactly("download");
        assertThat(cached).isEqualTo(made);
        assertThat(made.version()).startsWith("6.1-1_busybox-1.35_");
        assertThat(made.kernel()).hasContent("kernel 6.1-1");
        assertThat(made.initrd()).isNotEmptyFile();
        assertThat(made.commandLine()).startsWith("console=ttyS0 ");
        assertThat(made.size())
                .isBetween(Files.size(made.initrd()), Files.size(made.initrd()) + 1000);
    }

    @Test
    void nothingButTheGuestStaysInTheCache() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);

        assertThat(names(cache().resolve(NAME))).containsExactly(".lock", made.version());
        assertThat(names(made.kernel().resolveSibling(".")))
                .containsExactly("initrd.cpio", "manifest.properties", "vmlinuz");
    }

    @Test
    void progressCountsTheBytesOfAllPackages() throws Exception {
        List<String> told = new ArrayList<>();
        catalog.obtain(
                NAME,
                new GuestProgress() {
                    @Override
                    public void step(String what) {
                        told.add(what);
                    }

                    @Override
                    public void transferred(String what, long bytes, long total) {
                        assertThat(bytes).isBetween(0L, total);
                        if (bytes == 0 || bytes == total) {
                            told.add(what + (bytes == 0 ? " begins" : " ends"));
                        }
                    }

                    @Override
                    public void worked(String what, int done, int total) {
                        told.add(what);
                    }
                });
        assertThat(told.stream().distinct())
                .containsExactly(
                        "Looking up packages",
                        "2 packages begins",
                        "2 packages ends",
                        "Building the guest's initramfs");
    }

    @Test
    void getTakesANewerVersionAndDropsTheOlder() throws Exception {
        Guest old = catalog.obtain(NAME, GuestProgress.SILENT);
        apt.serve("6.1-2");
        Files.delete(apt.root.resolve("pool/linux-image-" + FakeApt.RELEASE + "_6.1-1_amd64.deb"));

        assertThat(catalog.obtain(NAME, GuestProgress.SILENT)).isEqualTo(old);
        Guest made = catalog.get(NAME, GuestProgress.SILENT);

        assertThat(made.kernel()).hasContent("kernel 6.1-2");
        assertThat(old.kernel()).doesNotExist();
        assertThat(catalog.obtain(NAME, GuestProgress.SILENT)).isEqualTo(made);
    }

    @Test
    void getDownloadsNothingWhenTheVersionIsThere() throws Exception {
        catalog.get(NAME, GuestProgress.SILENT);
        catalog.get(NAME, GuestProgress.SILENT);
        assertThat(apt.calls()).containsExactly("download");
    }

    @Test
    void aTruncatedOrChangedFileIsMadeAnew() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);
        Files.write(made.initrd(), new byte[10]);
        assertThat(catalog.list().getFirst().cached()).isEmpty();
        assertThat(catalog.obtain(NAME, GuestProgress.SILENT)).isEqualTo(made);

        byte[] kernel = Files.readAllBytes(made.kernel());
        kernel[0] ^= 1;
        Files.write(made.kernel(), kernel);
        assertThat(catalog.obtain(NAME, GuestProgress.SILENT)).isEqualTo(made);

        assertThat(made.kernel()).hasContent("kernel 6.1-1");
        assertThat(apt.calls()).containsExactly("download", "download", "download");
    }

    @Test
    void withoutTheNetworkTheGuestOfAnEarlierFrondServes() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);
        Path manifest = made.kernel().resolveSibling("manifest.properties");
        Files.writeString(
                manifest, Files.readString(manifest).replaceAll("(recipe|version)=.*", "$1=older"));
        apt.fail(
                "download", "echo \"E: Failed to fetch http://x Could not resolve 'x'\"; exit 100");
        Path version = cache().resolve(NAME).resolve(made.version());
        Files.move(version, version.resolveSibling("older"));

        Guest older = catalog.obtain(NAME, GuestProgress.SILENT);
        assertThat(older.kernel()).hasContent("kernel 6.1-1");

        apt.recover("download");
        assertThat(catalog.obtain(NAME, GuestProgress.SILENT)).isEqualTo(made);
        assertThat(older.kernel()).doesNotExist();
    }

    @Test
    void withoutTheNetworkTheReasonIsGivenInOneLine() throws Exception {
        apt.fail(
                "download",
                """
                echo 'Err:1 http://deb.example.org/debian x'
                echo "E: Failed to fetch http://deb.example.org/x.deb  Temporary failure resolving 'deb.example.org'"
                echo 'E: Something else'
                exit 100
                """);
        assertFailure()
                .withMessage(
                        "cannot download 2 packages: Failed to fetch http://deb.example.org/x.deb"
                                + " Temporary failure resolving 'deb.example.org'");
        assertThat(catalog.list().getFirst().cached()).isEmpty();
        assertThat(names(cache().resolve(NAME))).containsExactly(".lock");
    }

    @Test
    void aPackageWithAWrongDigestIsNamedAndNotKept() throws Exception {
        apt.edit("busybox-static", "SHA256: ......", "SHA256: 000000");
        assertFailure()
                .withMessageMatching(
                        "busybox-static_.*\\.deb has the SHA-256 digest [0-9a-f]{64} where apt's"
                                + " metadata says 000000[0-9a-f]{58}; nothing was kept");
        assertThat(names(cache().resolve(NAME))).containsExactly(".lock");
    }

    @Test
    void aPackageWithAWrongSizeIsNamed() throws Exception {
        apt.edit("busybox-static", "Size: .*", "Size: 5");
        assertFailure()
                .withMessageMatching(
                        "busybox-static_.* has [0-9]+ bytes where apt's metadata says 5; .*");
    }

    @Test
    void aDownloadThatEndsInSilenceIsNoSuccess() throws Exception {
        apt.fail("download", "exit 0");
        assertFailure()
                .withMessage("apt-get downloaded no file for linux-image-" + FakeApt.RELEASE);
        apt.fail("download", "exit 3");
        assertFailure().withMessage("cannot download 2 packages: status 3");
    }

    @Test
    void missingPackageListsAreFetchedForFrondAlone() throws Exception {
        Files.move(apt.root.resolve("lists"), apt.root.resolve("newer"));
        Files.createDirectory(apt.root.resolve("lists"));

        assertThat(catalog.obtain(NAME, GuestProgress.SILENT).kernel()).hasContent("kernel 6.1-1");

        assertThat(apt.calls()).containsExactly("update", "download");
        assertThat(apt.root.resolve("lists")).isEmptyDirectory();
    }

    @Test
    void listsThatCannotBeFetchedAreReported() throws Exception {
        AptTree.clear(apt.root.resolve("lists"));
        apt.fail(
                "update",
                "echo 'W: Failed to fetch http://x/InRelease  Could not connect'; exit 0");
        assertFailure()
                .withMessage(
                        "cannot fetch package lists: Failed to fetch http://x/InRelease Could not"
                                + " connect");
    }

    @Test
    void aSourceWithoutThePackagesIsReported() throws Exception {
        AptTree.clear(apt.root.resolve("lists"));
        Files.createDirectory(apt.root.resolve("newer"));
        assertFailure()
                .withMessage(
                        "no package source of this system offers linux-image-cloud-amd64 and"
                                + " busybox-static for amd64 (see /etc/apt/sources.list)");
    }

    @Test
    void listsThatAreOutOfDateAreFetchedAnew() throws Exception {
        AptTree.copy(apt.root.resolve("lists"), apt.root.resolve("newer"));
        apt.fail(
                "download",
                "[ -n \"$lists\" ] || { echo 'E: Failed to fetch http://x  404  Not Found [IP:"
                        + " 1.2.3.4 80]'; exit 100; }");

        assertThat(catalog.obtain(NAME, GuestProgress.SILENT).kernel()).hasContent("kernel 6.1-1");

        assertThat(apt.calls()).containsExactly("download", "update", "download");
    }

    @Test
    void aBusyboxThatIsNoBusyboxIsReported() throws Exception {
        Files.writeString(apt.root.resolve("tree-busybox/bin/busybox"), "#!/bin/sh\n");
        Files.delete(apt.root.resolve("pool/busybox-static_1%3a1.35_amd64.deb"));
        Path tree = apt.root.resolve("tree-busybox");
        Path file = apt.root.resolve("pool/busybox-static_1_amd64.deb");
        Programs.run(
                directory,
                Optional.empty(),
                List.of("dpkg-deb", "-b", tree.toString(), file.toString()));
        apt.edit("busybox-static", "Size: .*", "Size: " + Files.size(file));
        apt.edit("busybox-static", "SHA256: .*", "SHA256: " + Digests.sha256(file));
        assertFailure()
                .withMessage("the package busybox-static holds no static busybox for x86-64");
    }

    @Test
    void aHostWithoutAptSaysWhatToDo() {
        GuestCatalog none = catalog(directory.toString());
        assertThatExceptionOfType(GuestException.class)
                .isThrownBy(() -> none.obtain(NAME, GuestProgress.SILENT))
                .withMessageContaining("no apt-get")
                .withMessageContaining("frond run --kernel FILE --initrd FILE");
    }

    @Test
    void anUnknownGuestIsReportedWithTheKnownOnes() {
        assertThatExceptionOfType(GuestException.class)
                .isThrownBy(() -> catalog.get("debain", GuestProgress.SILENT))
                .withMessage("there is no guest 'debain'; accepted: debian-tiny");
        assertThatExceptionOfType(GuestException.class).isThrownBy(() -> catalog.rm("../x"));
    }

    @Test
    void rmDeletesTheGuest() throws Exception {
        assertThat(catalog.rm(NAME)).isFalse();
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);
        assertThat(catalog.list().getFirst().cached()).contains(made);

        assertThat(catalog.rm(NAME)).isTrue();

        assertThat(made.kernel()).doesNotExist();
        assertThat(catalog.list().getFirst().cached()).isEmpty();
    }

    @Test
    void aCacheThatCannotBeWrittenIsNamed() throws Exception {
        Files.createFile(directory.resolve("cache"));
        assertFailure()
                .withMessageStartingWith("cannot store debian-tiny: " + directory.resolve("cache"));
    }

    @Test
    void twoThreadsDownloadOnce() throws Exception {
        apt.fail("download", "sleep 0.5");
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Future<Guest> one = threads.submit(() -> catalog.get(NAME, GuestProgress.SILENT));
            Future<Guest> two = threads.submit(() -> catalog().get(NAME, GuestProgress.SILENT));
            assertThat(one.get()).isEqualTo(two.get());
        }
        assertThat(apt.calls()).containsExactly("download");
    }

    @Test
    void twoProcessesDownloadOnce() throws Exception {
        apt.fail("download", "sleep 1");
        Process one = process();
        Process two = process();
        assertThat(one.waitFor()).isZero();
        assertThat(two.waitFor()).isZero();
        assertThat(apt.calls()).containsExactly("download");
    }

    @Test
    void aProcessThatIsKilledHalfWayLeavesNothingThatIsTakenForWhole() throws Exception {
        apt.fail(
                "download",
                "head -c 100 \"$root/pool/busybox-static_\"*.deb >busybox-static_1_amd64.deb; echo"
                        + " $$ >$root/half; exec sleep 60");
        Process killed = process();
        await(() -> Files.exists(apt.root.resolve("half")));
        killed.destroyForcibly().waitFor();
        // The orphan goes on for a while, as a real apt-get would.
        String orphan = Files.readString(apt.root.resolve("half")).strip();
        assertThat(catalog.list().getFirst().cached()).isEmpty();
        assertThat(names(cache().resolve(NAME))).hasSize(2);

        apt.recover("download");
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);

        assertThat(names(cache().resolve(NAME))).containsExactly(".lock", made.version());
        ProcessHandle.of(Long.parseLong(orphan)).ifPresent(ProcessHandle::destroyForcibly);
    }

    @Test
    void aProcessThatIsAskedToEndTakesAptWithIt() throws Exception {
        apt.fail("download", "echo $$ >$root/half; exec sleep 60");
        Process asked = process();
        await(() ->
                Files.exists(apt.root.resolve("half")) && Files.size(apt.root.resolve("half")) > 0);
        long child = Long.parseLong(Files.readString(apt.root.resolve("half")).strip());
        asked.destroy();
        asked.waitFor();
        await(() -> ProcessHandle.of(child).isEmpty());
    }

    @Test
    void theCacheIsWhereTheEnvironmentSays() {
        assertThat(GuestCatalog.directory(Map.of("XDG_CACHE_HOME", "/x", "HOME", "/h")))
                .isEqualTo(Path.of("/x/frond/guests"));
        assertThat(GuestCatalog.directory(Map.of("XDG_CACHE_HOME", "x", "HOME", "/h")))
                .isEqualTo(Path.of("/h/.cache/frond/guests"));
        assertThat(GuestCatalog.directory(Map.of("HOME", "/h")))
                .isEqualTo(Path.of("/h/.cache/frond/guests"));
    }

    private ThrowableAssertAlternative<GuestException> assertFailure() {
        return assertThatExceptionOfType(GuestException.class)
                .isThrownBy(() -> catalog.obtain(NAME, GuestProgress.SILENT));
    }

    private GuestCatalog catalog() {
        return catalog(apt.path());
    }

    private GuestCatalog catalog(String path) {
        return new GuestCatalog(cache(), List.of(new DebianTiny(path)));
    }

    private Path cache() {
        return directory.resolve("cache");
    }

    private Process process() throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        GuestProgram.class.getName(),
                        cache().toString(),
                        apt.path())
                .inheritIO()
                .start();
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private interface Condition {
        boolean holds() throws IOException;
    }

    private static void await(Condition condition) throws Exception {
        long deadline = System.nanoTime() + Duration.ofMinutes(1).toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }
}
