// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import dev.frond.host.ControlFile;
import dev.frond.host.Errno;
import dev.frond.host.HostCpu;
import dev.frond.host.HostException;
import dev.frond.host.KernelCalls;
import dev.frond.kvm.Kvm.Capability;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Whether this host has a KVM that Frond can use, and what would have to be done about it. */
public final class KvmSupport {
    private static final Path DEVICE = Path.of("/dev/kvm");

    /** The module of a KVM that executes a guest's kernel in ring 3 and emulates a part of it. */
    private static final Path SOFTWARE = Path.of("/sys/module/kvm_pvm");

    private static final Capability[] REQUIRED = {
        Capability.KVM_CAP_USER_MEMORY,
        Capability.KVM_CAP_EXT_CPUID,
        Capability.KVM_CAP_VCPU_EVENTS,
        Capability.KVM_CAP_DEBUGREGS,
        Capability.KVM_CAP_XSAVE,
        Capability.KVM_CAP_USER_NMI,
        Capability.KVM_CAP_GET_TSC_KHZ,
        Capability.KVM_CAP_READONLY_MEM,
        Capability.KVM_CAP_IMMEDIATE_EXIT,
        Capability.KVM_CAP_X86_USER_SPACE_MSR,
        Capability.KVM_CAP_X86_MSR_FILTER
    };

    private KvmSupport() {}

    /**
     * Why no machine can be made with KVM here, in one line that says what to do; empty if one can.
     */
    public static Optional<String> whyUnavailable() {
        try {
            open(KernelCalls.HOST, DEVICE).close();
            return Optional.empty();
        } catch (HostException e) {
            return Optional.of(String.valueOf(e.getMessage()));
        }
    }

    /**
     * Why the KVM that is here should not run whole operating systems, in one line; empty if it
     * can.
     */
    public static Optional<String> whyLimited() {
        return limits(SOFTWARE);
    }

    static Optional<String> limits(Path softwareModule) {
        return Files.isDirectory(softwareModule)
                ? Optional.of(
                        "this host's KVM (module "
                                + softwareModule.getFileName()
                                + ") emulates a guest's kernel in software and fails on parts of"
                                + " it")
                : Optional.empty();
    }

    /** Opens the device, with everything there that Frond needs. */
    static ControlFile open(KernelCalls kernel, Path device) {
        if (!HostCpu.isX86Linux()) {
            throw new HostException("open", device.toString(), "Frond uses KVM on x86-64 Linux");
        }
        ControlFile kvm;
        try {
            kvm = ControlFile.open(kernel, device);
        } catch (HostException e) {
            throw new HostException("open", device.toString(), advice(e));
        }
        try {
            check(kvm);
        } catch (HostException e) {
            kvm.close();
            throw e;
        }
        return kvm;
    }

    private static String advice(HostException e) {
        String remedy =
                switch (e.errno()) {
                    case ENOENT ->
                            "no KVM here; load it with 'modprobe kvm-intel' or 'modprobe kvm-amd',"
                                    + " and see that the firmware enables virtualization";
                    case EACCES, EPERM ->
                            "add the user to the group kvm ('usermod -aG kvm USER'), then log in"
                                    + " anew";
                    case ENODEV, ENXIO ->
                            "the processor has no virtualization, or the firmware disables it";
                    case EMFILE, ENFILE -> Failure.TOO_MANY_FILES;
                    default -> "";
                };
        String reason =
                e.errno() == Errno.UNKNOWN
                        ? "error " + e.errnoNumber()
                        : e.errno() + " (" + e.errno().text() + ")";
        return remedy.isEmpty() ? reason : reason + "; " + remedy;
    }

    private static void check(ControlFile kvm) {
        int version = kvm.tryCall(Kvm.GET_API_VERSION, 0);
        if (version < 0) {
            throw new HostException("open", kvm.name(), "this is not the device of KVM");
        }
        if (version != Kvm.API_VERSION) {
            throw new HostException(
                    "KVM_GET_API_VERSION",
                    kvm.name(),
                    "the kernel has version "
                            + version
                            + ", Frond needs "
                            + Kvm.API_VERSION
                            + ", which Linux has since 2.6.22; boot a newer kernel");
        }
        for (Capability capability : REQUIRED) {
            require(kvm, capability);
        }
    }

    /** Refuses a kernel without {@code capability}. */
    static void require(ControlFile kvm, Capability capability) {
        if (value(kvm, capability) == 0) {
            throw new HostException(
                    "KVM_CHECK_EXTENSION",
                    kvm.name(),
                    "the kernel lacks "
                            + capability
                            + ", which Linux has since "
                            + capability.since()
                            + "; boot a newer kernel");
        }
    }

    /** What KVM_CHECK_EXTENSION says: 0 if the capability is not there. */
    static int value(ControlFile kvm, Capability capability) {
        return Math.max(0, kvm.tryCall(Kvm.CHECK_EXTENSION, capability.number()));
    }
}
