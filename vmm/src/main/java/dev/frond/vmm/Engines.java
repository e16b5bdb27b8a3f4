// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import dev.frond.cpu.interp.Interpreter;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.HostException;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmSupport;
import dev.frond.machine.vcpu.Accelerator;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** The engines by name, and what of them can run on this host. */
public final class Engines {
    /**
     * One engine.
     *
     * @param description what it is, in a few words
     * @param unavailable why it cannot run here; empty if it can
     * @param limited why it should not run every guest here; empty if it should
     */
    public record Listing(
            String name,
            String description,
            Optional<String> unavailable,
            Optional<String> limited) {}

    /** The name that stands for {@link #automatic}. */
    public static final String AUTO = "auto";

    private static final String NO_TRANSLATOR =
            "this host is no x86-64 Linux that permits executable memory";

    private Engines() {}

    /** All engines, asked now. */
    public static List<Listing> list() {
        return List.of(
                new Listing(
                        "interpreter",
                        "decoded instructions one after the other, on every host",
                        Optional.empty(),
                        Optional.empty()),
                new Listing(
                        "translator",
                        "guest code as host code",
                        Translator.isSupported() ? Optional.empty() : Optional.of(NO_TRANSLATOR),
                        Optional.empty()),
                new Listing(
                        "kvm",
                        "guest code on the processor itself",
                        KvmSupport.whyUnavailable(),
                        limits("kvm")));
    }

    /** Why the engine of that name should not run every guest here; empty if it should. */
    public static Optional<String> limits(String name) {
        return name.equals("kvm") ? KvmSupport.whyLimited() : Optional.empty();
    }

    /** What {@code auto} means on this host, and why. */
    public record Choice(String name, String why) {}

    /** The fastest engine that runs every guest here. */
    public static Choice automatic() {
        return choose(
                KvmSupport.whyUnavailable().or(KvmSupport::whyLimited), Translator.isSupported());
    }

    /** The choice where {@code noKvm} speaks against KVM, or nothing does. */
    static Choice choose(Optional<String> noKvm, boolean translator) {
        if (noKvm.isEmpty()) {
            return new Choice("kvm", "the processor itself executes the guest");
        }
        String kvm = "; kvm is not taken: " + noKvm.get();
        return translator
                ? new Choice("translator", "the fastest that runs every guest here" + kvm)
                : new Choice("interpreter", NO_TRANSLATOR + kvm);
    }

    /** An engine, and why it is this one. */
    record Opened(Accelerator engine, String why) {}

    /**
     * What {@code auto} means, opened; where KVM turns out not to be had, the next best.
     *
     * @param choice what {@link #automatic} says
     * @param opener opens an engine by its name
     */
    static Opened openAutomatic(
            Choice choice, Function<String, Accelerator> opener, boolean translator) {
        try {
            return new Opened(opener.apply(choice.name), choice.why);
        } catch (HostException e) {
            if (!choice.name.equals("kvm")) {
                throw e;
            }
            Choice next = choose(Optional.of(String.valueOf(e.getMessage())), translator);
            return new Opened(opener.apply(next.name), next.why);
        }
    }

    /** The engine of that name, with what {@link VmSpec} says of the other two. */
    static Opened open(String name, VmSpec.IrqChip irqChip, boolean counted) {
        return name.equals(AUTO)
                ? openAutomatic(
                        automatic(),
                        each -> create(each, irqChip, counted),
                        Translator.isSupported())
                : new Opened(create(name, irqChip, counted), "");
    }

    /** How many times slower than the host's time a machine's time is to go on an engine. */
    static int slowness(String name) {
        return name.equals("lockstep") ? LOCKSTEP_SLOWNESS : 1;
    }

    /** About what the comparison costs. */
    private static final int LOCKSTEP_SLOWNESS = 50;

    /**
     * The best place of the interrupt controllers by the measurements in docs/kvm.md; a KVM in
     * software, which is {@code limited}, tells the end of an interrupt too late for it
     * (docs/kvm.md).
     */
    static KvmEngine.IrqChip automaticIrqChip(Optional<String> limited) {
        return limited.isEmpty() ? KvmEngine.IrqChip.SPLIT : KvmEngine.IrqChip.OFF;
    }

    /**
     * A new engine.
     *
     * @throws IllegalArgumentException if there is none of that name, or not on this host
     * @throws HostException if the host refuses what it needs
     */
    private static Accelerator create(String name, VmSpec.IrqChip irqChip, boolean counted) {
        return switch (name) {
            case "interpreter" -> new Interpreter();
            case "translator", "lockstep" -> {
                if (!Translator.isSupported()) {
                    throw new IllegalArgumentException(
                            "engine "
                                    + name
                                    + ": "
                                    + NO_TRANSLATOR
                                    + "; accepted here: auto, interpreter");
                }
                Translator.Settings settings = Translator.Settings.DEFAULT.withCount(counted);
                yield new Translator(name.equals("lockstep") ? settings.inLockstep() : settings);
            }
            case "kvm" ->
                    new KvmEngine(
                            switch (irqChip) {
                                case AUTO -> automaticIrqChip(KvmSupport.whyLimited());
                                case OFF -> KvmEngine.IrqChip.OFF;
                                case SPLIT -> KvmEngine.IrqChip.SPLIT;
                                case ON -> KvmEngine.IrqChip.ON;
                            });
            default ->
                    throw new IllegalArgumentException(
                            "engine " + name + ": accepted are auto, interpreter, translator, kvm");
        };
    }
}
