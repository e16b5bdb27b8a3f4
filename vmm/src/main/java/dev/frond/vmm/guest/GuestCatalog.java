// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The guests that can be run by name, and those of them that are in the user's cache. Several
 * processes may use one cache at once; a guest that is killed half-way, or that a full disk cuts
 * off, is never taken for whole.
 */
public final class GuestCatalog {
    /** A guest by name, there or not. */
    public record Listing(String name, String description, Optional<Guest> cached) {}

    private final GuestCache cache;
    private final List<GuestSource> sources;

    GuestCatalog(Path cache, List<GuestSource> sources) {
        this.cache = new GuestCache(cache);
        this.sources = List.copyOf(sources);
    }

    /** The catalog of this user on this host. */
    public static GuestCatalog ofUser() {
        return of(System.getenv());
    }

    /** The catalog of a user with this environment: XDG_CACHE_HOME or HOME, and PATH are read. */
    public static GuestCatalog of(Map<String, String> environment) {
        String path = environment.getOrDefault("PATH", "/usr/bin:/bin");
        Installer installer = new MachineInstaller();
        return new GuestCatalog(
                directory(environment),
                List.of(
                        new DebianTiny(path),
                        DebianSystem.base(path, installer),
                        DebianSystem.programs(path, installer),
                        new HostKernel(Path.of("/"))));
    }

    /** XDG Base Directory Specification: a relative path there counts as none. */
    static Path directory(Map<String, String> environment) {
        Path xdg = Path.of(environment.getOrDefault("XDG_CACHE_HOME", ""));
        Path base =
                xdg.isAbsolute()
                        ? xdg
                        : Path.of(
                                environment.getOrDefault(
                                        "HOME", System.getProperty("user.home", ".")),
                                ".cache");
        return base.resolve("frond").resolve("guests");
    }

    /** The names of all guests of the catalog, in the order to show. */
    public List<String> names() {
        return sources.stream().map(GuestSource::name).toList();
    }

    /**
     * Whether the guest of that name comes with a root disk.
     *
     * @throws GuestException if there is no guest of that name
     */
    public boolean hasDisk(String name) throws GuestException {
        return source(name).hasDisk();
    }

    /** Every guest of the catalog, in the order to show. */
    public List<Listing> list() throws GuestException {
        try {
            List<Listing> listings = new ArrayList<>();
            for (GuestSource source : sources) {
                Optional<Guest> cached =
                        cache.find(source.name()).stream()
                                .findFirst()
                                .map(entry -> guest(source, entry));
                listings.add(new Listing(source.name(), source.description(), cached));
            }
            return List.copyOf(listings);
        } catch (IOException e) {
            throw GuestException.of("cannot read the guest cache", e);
        }
    }

    /**
     * The guest of that name, ready to run: out of the cache if an intact one is there, else made
     * now.
     *
     * @throws GuestException also if there is no guest of that name
     */
    public Guest obtain(String name, GuestProgress progress) throws GuestException {
        GuestSource source = source(name);
        if (source.isAtHand()) {
            return get(name, progress);
        }
        List<GuestCache.Entry> older = List.of();
        try {
            List<GuestCache.Entry> entries = cache.find(name);
            for (GuestCache.Entry entry : entries) {
                if (!entry.looksIntact()) {
                    progress.step(name + " in the cache is damaged and is made anew");
                } else if (entry.recipe().equals(source.recipe())) {
                    return guest(source, entry);
                } else {
                    older = List.of(entry);
                }
            }
        } catch (IOException e) {
            throw GuestException.of("cannot read the guest cache", e);
        }
        try {
            return get(name, progress);
        } catch (GuestException e) {
            if (older.isEmpty()) {
                throw e;
            }
            progress.step("Using the " + name + " of an earlier Frond (" + e.getMessage() + ")");
            return guest(source, older.getFirst());
        }
    }

    /**
     * Brings the guest of that name up to date and returns it.
     *
     * @throws GuestException also if there is no guest of that name
     */
    public Guest get(String name, GuestProgress progress) throws GuestException {
        GuestSource source = source(name);
        try (GuestCache.Lock lock = cache.lock(name, progress)) {
            lock.sweep();
            Path work = lock.work();
            try {
                return guest(source, make(source, lock, work, progress));
            } finally {
                Apt.delete(work);
            }
        } catch (IOException e) {
            throw GuestException.of("cannot store " + name, e);
        }
    }

    private GuestCache.Entry make(
            GuestSource source, GuestCache.Lock lock, Path work, GuestProgress progress)
            throws GuestException, IOException {
        GuestSource.Plan plan = source.plan(work, progress);
        String recipe = source.recipe();
        String version = plan.version() + "_" + recipe;
        for (GuestCache.Entry entry : cache.find(source.name())) {
            if (entry.version().equals(version) && entry.isIntact()) {
                return entry;
            }
        }
        Path made = Files.createDirectory(work.resolve("made"));
        Path kernel = made.resolve(GuestCache.KERNEL);
        plan.make(
                new GuestSource.Made(
                        kernel, made.resolve(GuestCache.INITRD), made.resolve(GuestCache.DISK)),
                progress);
        Optional<byte[]> vmlinux = LinuxPayload.vmlinux(Files.readAllBytes(kernel));
        if (vmlinux.isPresent()) {
            Files.write(made.resolve(GuestCache.VMLINUX), vmlinux.get());
        }
        return lock.put(made, version, recipe);
    }

    /**
     * Deletes the guest of that name from the cache; whether it was there.
     *
     * @throws GuestException also if there is no guest of that name
     */
    public boolean rm(String name) throws GuestException {
        source(name);
        try (GuestCache.Lock lock = cache.lock(name, GuestProgress.SILENT)) {
            lock.sweep();
            return lock.clear();
        } catch (IOException e) {
            throw GuestException.of("cannot delete " + name, e);
        }
    }

    private GuestSource source(String name) throws GuestException {
        return sources.stream()
                .filter(source -> source.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        new GuestException(
                                "there is no guest '%s'; accepted: %s"
                                        .formatted(name, String.join(", ", names()))));
    }

    private static Guest guest(GuestSource source, GuestCache.Entry entry) {
        return new Guest(
                source.name(),
                entry.version(),
                entry.vmlinux().orElse(entry.kernel()),
                entry.kernel(),
                entry.initrd(),
                entry.disk(),
                source.commandLine(),
                entry.size());
    }
}
