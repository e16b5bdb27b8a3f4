// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import dev.frond.machine.MachineEnd;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.Engines;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmException;
import dev.frond.vmm.VmSpec;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Installs in a machine of Frond's own, which needs no root, no chroot and no x86 host. */
final class MachineInstaller implements Installer {
    private static final long MIB = 1 << 20;

    /** For the system itself; the packages are in memory twice while the kernel unpacks them. */
    private static final long LEAST_MEMORY = 512 * MIB;

    private static final int POLL_MILLIS = 200;

    @Override
    public void install(
            Path kernel,
            Path initrd,
            String commandLine,
            Path disk,
            List<AptPackage> packages,
            GuestProgress progress)
            throws GuestException {
        String what = packages.size() + " packages";
        InstallLog log = new InstallLog(packages);
        MachineEnd end;
        progress.worked("Installing " + what, 0, log.total());
        try (Vm vm = Vm.start(spec(kernel, initrd, commandLine, disk), log)) {
            end = await(vm, log, what, progress);
        } catch (VmException e) {
            throw new GuestException("cannot install " + what + ": " + e.getMessage());
        } catch (IOException e) {
            throw GuestException.of("cannot install " + what, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new GuestException("interrupted while installing " + what);
        }
        if (!(end instanceof MachineEnd.PoweredOff) || !log.isDone()) {
            throw new GuestException(
                    "the installation of " + what + " ended too early: " + log.reason());
        }
        progress.worked("Installing " + what, log.total(), log.total());
    }

    private static VmSpec spec(Path kernel, Path initrd, String commandLine, Path disk)
            throws IOException {
        long memory = LEAST_MEMORY + Files.size(initrd) * 3;
        return new VmSpec(
                kernel,
                Optional.of(initrd.toString().replace(",", ",,")),
                // A crash ends the machine, too.
                commandLine + " panic=-1",
                (memory + MIB - 1) / MIB * MIB,
                1,
                CpuModel.X86_64_V2,
                Engines.AUTO,
                List.of(new VmSpec.Disk(disk, false)),
                false,
                false);
    }

    private static MachineEnd await(Vm vm, InstallLog log, String what, GuestProgress progress)
            throws InterruptedException, GuestException {
        while (true) {
            try {
                return vm.end().get(POLL_MILLIS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException stillRunning) {
                progress.worked(
                        "Installing " + what, Math.min(log.steps(), log.total() - 1), log.total());
            } catch (ExecutionException e) {
                throw new GuestException("cannot install " + what + ": " + e.getMessage());
            }
        }
    }
}
